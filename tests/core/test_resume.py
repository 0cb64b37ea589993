"""Truth: the same training run without interruption, bit by bit (CPU)."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from core.small_runs import EPOCHS, SmallRun, same_bits

from prunegap.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from prunegap.training.run import train
from prunegap.training.state import TrainingState

METHODS = ["nft", "nft_es", "ceag", "ceag_no_rb", "el_rb", "reweighted", "balanced_sampling", "group_dro"]


def everything(state: TrainingState) -> dict[str, Any]:
    """Return the whole state and the trace; seconds are not part of a result."""
    tree = state.state_dict()
    for entry in tree["entries"]:
        del entry["seconds"]
    if state.tracer is not None and state.dual is not None:
        tree["trace"] = vars(state.tracer.trace(state.dual.names))
    return tree


def go_on(run: SmallRun, state: TrainingState, until: int) -> None:
    for _ in train(state, run.plan(), run.split, until=until):
        pass


@cache
def uninterrupted(method: str) -> dict[str, Any]:
    run = SmallRun(method)
    state = run.state(seed=0)
    go_on(run, state, EPOCHS)
    return everything(state)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_killed_after_any_epoch_goes_on_to_the_same_bits(method, tmp_path: Path):
    run = SmallRun(method)
    state = run.state(seed=0)
    for epoch in range(1, EPOCHS):
        go_on(run, state, epoch)
        save_checkpoint(tmp_path / "state", {"fingerprint": "", "state": state.state_dict()})
        resumed = run.state(seed=100 + epoch)
        torch.manual_seed(epoch)
        resumed.load_state_dict(load_checkpoint(tmp_path / "state")["state"])
        go_on(run, resumed, EPOCHS)
        assert same_bits(everything(resumed), uninterrupted(method)), f"resumed after epoch {epoch}"


@pytest.mark.parametrize("method", METHODS)
def test_the_compared_runs_exercise_what_a_checkpoint_must_hold(method):
    final = uninterrupted(method)
    masks = final["masks"]
    assert float(masks["3.weight"].double().mean()) == pytest.approx(1 - 152 / 216)
    assert len(final["entries"]) == EPOCHS
    assert final["optimizer"]["state"][0]["momentum_buffer"].abs().sum() > 0
    if method == "nft_es":
        assert final["best"]["epoch"] >= 0
        assert not same_bits(final["best"]["weights"], final["model"]) or final["best"]["epoch"] == EPOCHS - 1
    if final["dual"] is not None:
        assert final["dual"]["multipliers"].abs().max() > 0.01
        assert len(final["trace"]["steps"]) == EPOCHS * 5
    if final["dual"] is not None and "buffers" in final["dual"]:
        assert (final["dual"]["buffers"]["pushed"] > 7).all()


def test_a_checkpoint_is_taken_up_by_the_training_it_belongs_to_and_by_no_other(tmp_path: Path):
    run = SmallRun("ceag")
    state = run.state(seed=0)
    assert not Checkpoint(tmp_path / "c", "this").resume(state)
    go_on(run, state, 4)
    Checkpoint(tmp_path / "c", "this").save(state)
    other = run.state(seed=1)
    before = {name: value.clone() for name, value in other.model.state_dict().items()}
    assert not Checkpoint(tmp_path / "c", "another").resume(other)
    assert same_bits(dict(other.model.state_dict()), before)
    assert other.epoch == 0
    assert Checkpoint(tmp_path / "c", "this").resume(other)
    assert other.epoch == 4
    go_on(run, other, EPOCHS)
    assert same_bits(everything(other), uninterrupted("ceag"))


def test_a_run_split_into_two_calls_is_one_run():
    run = SmallRun("el_rb")
    state = run.state(seed=0)
    go_on(run, state, 3)
    go_on(run, state, 3)
    go_on(run, state, EPOCHS)
    assert same_bits(everything(state), uninterrupted("el_rb"))
