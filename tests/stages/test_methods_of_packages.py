"""Methods without constraints in the stages that train. Truth: plain training, the core's loop set up by hand, an
uninterrupted run, and a package of somebody else's that adds a method in one file.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from core.outside_package import installed
from stages import tiny_values as given
from stages.results import same

from prunegap.artifacts.dataset import Dataset
from prunegap.data.grouped import GroupedDataset
from prunegap.errors import UserError
from prunegap.pipeline import Experiment
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.evaluate import EvaluateParams, evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.gate import GateParams, gate
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.methods import describe_method, find_method
from prunegap.training.state import TrainingState

METHODS = ["reweighted", "balanced_sampling", "group_dro", "bias_correction", "last_layer"]
FITTED = ["bias_correction", "last_layer"]


def weights(method: str, checkpoint: Checkpoint | None = None) -> dict[str, torch.Tensor]:
    return dict(given.finetuned(given.sparse_model(), checkpoint, method=method).finetuned_model.network.state)


@pytest.mark.parametrize("method", METHODS)
def test_each_ends_with_other_weights_than_plain_finetuning_and_what_is_pruned_stays_zero(method):
    made, plain = weights(method), weights("nft")
    differing = {name for name in made if not torch.equal(made[name], plain[name])}
    expected = {"bias_correction": {"head.bias"}, "last_layer": {"head.weight", "head.bias"}}
    assert differing == expected.get(method, differing) != set()
    masks = given.sparse_model().network.masks
    assert all((made[name][~mask] == 0).all() for name, mask in masks.items())


@pytest.mark.parametrize("method", METHODS)
def test_each_trains_a_dense_model(method):
    def dense(name: str) -> Any:
        params = AcquireDenseParams.model_validate({**given.DENSE, "method": name})
        return acquire_dense(params, given.dataset(), checkpoint=given.Witness(), tracker=NullTracker()).dense_model

    assert dense(method).trained_by.method == method
    assert not same(dict(dense(method).network.state), dict(dense("nft").network.state))


@pytest.mark.parametrize("method", [*METHODS, "a method of a package that is gone"])
def test_what_a_method_is_fitted_on_has_no_limits_and_a_verdict_on_it_says_so(method):
    model = given.finetuned(given.sparse_model(), method="nft" if "gone" in method else method).finetuned_model
    model = replace(model, trained_by=replace(model.trained_by, method=method))
    evaluation = evaluate(EvaluateParams(), given.dataset(), given.baseline(), model)
    limits = {name for name, split in evaluation.splits.items() if split.overall["max_psi"].low is not None}
    assert limits == ({"test"} if method in FITTED else {"validation", "test"})
    for split, told in (("train", True), ("validation", method in FITTED), ("test", False)):
        audit = gate(GateParams(split=split, enforce=False), (evaluation,)).models[0].audit
        assert any("trained on" in note for note in audit.notes) is told


class KilledError(Exception):
    pass


class KilledAtTheEnd(Checkpoint):
    """A machine that goes down once the last epoch is saved, before what follows it."""

    def save(self, state: TrainingState) -> None:
        super().save(state)
        if state.epoch == 4:
            raise KilledError


class KilledBefore(Checkpoint):
    def save(self, state: TrainingState) -> None:
        super().save(state)
        raise KilledError


@pytest.mark.parametrize("kind", [KilledBefore, KilledAtTheEnd])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_killed_goes_on_to_the_same_bits(method, kind, tmp_path: Path):
    whole = weights(method)
    with pytest.raises(KilledError):
        weights(method, kind(tmp_path / "checkpoint", "same"))
    assert same(weights(method, Checkpoint(tmp_path / "checkpoint", "same")), whole)


class Untold(NullTracker):
    def log_metrics(self, metrics: Any, step: int = 0) -> None:  # noqa: ARG002
        raise AssertionError("an epoch was trained")


@pytest.mark.parametrize("method", FITTED)
def test_without_held_out_examples_it_is_refused_by_the_stage_and_by_the_experiment(method):
    data = given.dataset().data
    splits = {name: split for name, split in data.splits.items() if name != "validation"}
    less = GroupedDataset(splits, data.class_names, data.group_names, data.channel_mean, data.channel_std)
    params = FinetuneParams.model_validate({**given.FINETUNE, "method": method})
    arguments: Any = (params, Dataset(less, "pictures"), given.baseline(), given.sparse_model())
    with pytest.raises(UserError, match=f"^method {method} is fitted on held-out examples, and this data set has no"):
        finetune(*arguments, checkpoint=given.Witness(), tracker=Untold())
    with pytest.raises(
        ValueError, match=f"method {method} is fitted on held-out examples, and there are none: set pre"
    ):
        Experiment.model_validate({"name": "x", "methods": [method], "prepare_data": {"validation_share": 0}})
    Experiment.model_validate({"name": "x", "methods": [method], "prepare_data": {"validation_share": 0.1}})


THEIRS = """
    import torch
    from prunegap.training.methods import Method

    def last_group_only(counts):
        return torch.tensor([0.0, 0.0, 1.0]) * counts.sum() / counts[-1]

    def reversed_order(groups, generator):
        return torch.arange(len(groups)).flip(0)

    def add_one(state, plan):
        def finish():
            with torch.no_grad():
                state.model.head.bias += 1.0
        return finish

    MINE = Method("mine", summary="Reversed.", group_weights=last_group_only, sampler=reversed_order, finish=add_one)
    TRAINED = Method("trained", group_weights=last_group_only, sampler=reversed_order)
    NONE = "none"
"""
POINTS = {
    "methods": {
        "mine": "their_methods:MINE",
        "trained": "their_methods:TRAINED",
        "no_method": "their_methods:NONE",
        "ceag": "their_methods:MINE",
        "gone": "their_methods:GONE",
    }
}


def test_a_package_adds_a_method_in_one_file_and_is_part_of_what_a_result_depends_on(tmp_path: Path):
    with installed(tmp_path, "their_methods", THEIRS, POINTS):
        assert list(FinetuneParams(method="mine").code()) == ["the code of method mine"]
        assert (find_method("mine").summary, find_method("mine").constrained) == ("Reversed.", None)
        made, trained, plain = weights("mine"), weights("trained"), weights("nft")
        torch.testing.assert_close(made["head.bias"], trained["head.bias"] + 1, rtol=0, atol=0)
        assert all(torch.equal(made[name], trained[name]) for name in made if name != "head.bias")
        assert not torch.equal(trained["conv1.weight"], plain["conv1.weight"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "no_method",
            "method 'no_method' must be a prunegap.training.methods.Method, its entry point names a str; corr",
        ),
        ("ceag", "method 'ceag' is added twice, as a formulation and as a method; have one renamed"),
        ("gone", "method 'gone' cannot be loaded from their_methods:GONE .*; correct or uninstall its package"),
        ("reweihgted", "method 'reweihgted' is not known; did you mean 'reweighted'?"),
    ],
)
def test_what_is_no_method_is_refused_by_name(name, told, tmp_path: Path):
    with installed(tmp_path, "their_methods", THEIRS, POINTS), pytest.raises(UserError, match=told):
        describe_method(name)
