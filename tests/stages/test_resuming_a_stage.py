"""Truth: the same stage uninterrupted; and what the checkpoint's folder holds."""

from pathlib import Path
from typing import Any

import pytest
from stages import tiny_values as given
from stages.results import same
from stages.tiny_network import SEEN

from prunegap.artifacts.identity import Identity
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.checkpoint_place import checkpoint_path, open_checkpoint
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.state import TrainingState


class KilledError(Exception):
    pass


class KilledAfter(Checkpoint):
    """A machine that goes down once the second epoch is saved."""

    def save(self, state: TrainingState) -> None:
        super().save(state)
        if state.epoch == 2:
            raise KilledError


class Remembers(NullTracker):
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def log_metrics(self, metrics: Any, step: int = 0) -> None:
        assert {"train_loss", "learning_rate"} <= metrics.keys()
        self.epochs.append(step)


def trained(checkpoint: Checkpoint, tracker: NullTracker) -> Any:
    params = AcquireDenseParams.model_validate({**given.DENSE, "epochs": 4, "method": "el_rb"})
    return acquire_dense(params, given.dataset(), checkpoint=checkpoint, tracker=tracker)


def test_a_stage_goes_on_from_its_checkpoint_to_the_same_bits_and_tells_every_epoch(tmp_path: Path):
    whole = trained(given.Witness(), NullTracker())
    path = tmp_path / "checkpoint"
    with pytest.raises(KilledError):
        trained(KilledAfter(path, "same"), NullTracker())
    SEEN.clear()
    tracker = Remembers()
    again = trained(Checkpoint(path, "same"), tracker)
    batches = -(-len(given.dataset().data.splits["train"]) // given.TRAINING["batch_size"])
    assert sum(seen.training for seen in SEEN) == 2 * batches
    assert tracker.epochs == [0, 1, 2, 3]
    assert [entry.train_loss for entry in again.history.epochs] == [e.train_loss for e in whole.history.epochs]
    assert same(dict(again.dense_model.network.state), dict(whole.dense_model.network.state))


def test_a_checkpoint_lies_beside_the_first_output(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("PRUNEGAP_CHECKPOINT_DIR", raising=False)
    identity = Identity({"epochs": 3})
    output = tmp_path / "deep" / "er" / "dense_model"
    checkpoint = open_checkpoint(identity, output)
    assert checkpoint.path == tmp_path / "deep" / "er" / "dense_model.checkpoint" == checkpoint_path(identity, output)
    assert checkpoint.path.parent.is_dir()
    assert checkpoint.fingerprint == identity.digest
    assert open_checkpoint(identity, output).path == checkpoint.path, "a folder that is there is no harm"


def test_a_checkpoint_lies_in_the_folder_named_for_the_result_whichever_run_makes_it(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PRUNEGAP_CHECKPOINT_DIR", str(tmp_path / "kept"))
    places = set[Path]()
    for run in ("0f1e2d3c", "another"):
        monkeypatch.setenv("KFP_RUN_ID", run)
        places.add(checkpoint_path(Identity({"epochs": 3}), tmp_path / run / "dense_model"))
    assert len(places) == 1, "a run that is submitted again has another id"
    paths = {open_checkpoint(Identity({"epochs": n}), tmp_path / "dense_model").path for n in (3, 3, 4)}
    assert len(paths) == 2
    assert all(path.is_relative_to(tmp_path / "kept") and path.suffix == ".checkpoint" for path in paths)
    assert {path.stem for path in paths} == {Identity({"epochs": n}).digest for n in (3, 4)}
    assert all(path.parent.is_dir() for path in paths)
