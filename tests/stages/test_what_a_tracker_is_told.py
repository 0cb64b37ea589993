"""Truth: the artifacts on disk, which a listening tracker must have been told of, and of nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from stages import tiny_values as given

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.history import History, epoch_metrics
from prunegap.artifacts.manifest import read_manifest
from prunegap.errors import UserError
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.evaluate import EvaluateParams, evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.lineage import require_one_lineage
from prunegap.stages.measure_baseline import MeasureBaselineParams, measure_baseline
from prunegap.stages.params import StageParams
from prunegap.stages.prepare_data import PrepareDataParams, prepare_data
from prunegap.stages.prune import PruneParams, prune
from prunegap.tracking.protocol import NullTracker
from prunegap.tracking.tracked_step import Step
from prunegap.tracking.tracker import LiveTracker, Point


class Listener:
    """A run of MLflow's that only listens."""

    def __init__(self) -> None:
        self.metrics: dict[tuple[int, str], float] = {}
        self.told: list[tuple[str, str, Path]] = []
        self.judged: dict[str, Mapping[str, float]] = {}

    def log_points(self, points: Sequence[Point]) -> None:
        self.metrics |= {(point.epoch, point.name): point.value for point in points}

    def log_input(self, name: str, folder: Path) -> None:
        self.told.append(("input", name, folder))

    def log_files(self, name: str, folder: Path) -> None:
        self.told.append(("files", name, folder))

    def log_model(self, folder: Path, points: Sequence[Point]) -> None:  # noqa: ARG002
        self.told.append(("model", folder.name, folder))

    def log_model_metrics(self, digest: str, points: Sequence[Point]) -> None:
        self.judged[digest] = {point.name: point.value for point in points}

    def end(self, step: Step, told: str) -> None:
        """Take note of nothing."""


def fail(error: Exception) -> NoReturn:
    raise error


def by_epoch(metrics: Iterable[tuple[int, Mapping[str, float]]]) -> dict[tuple[int, str], float]:
    return {(epoch, name): value for epoch, several in metrics for name, value in several.items()}


STAGES: list[tuple[Any, StageParams, list[tuple[str, str]]]] = [
    (acquire_dense, AcquireDenseParams(**given.DENSE), [("model", "dense_model"), ("files", "history")]),
    (measure_baseline, MeasureBaselineParams(), []),
    (prune, PruneParams(**given.PRUNE), [("model", "sparse_model"), ("files", "history")]),
    (finetune, FinetuneParams(**given.FINETUNE), [("model", "finetuned_model"), ("files", "history")]),
    (evaluate, EvaluateParams(), [("files", "evaluation")]),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, tuple[Path, Listener]]:
    """Every stage carried out on disk, with what its listener heard."""
    folder = tmp_path_factory.mktemp("run")
    paths = {"dataset": folder / "dataset"}
    # The network of these tests takes three channels.
    params = PrepareDataParams(source="digits", channels=3, test_share=0.9, validation_share=0.5)
    prepare_data.run(params, {}, paths, NullTracker())
    heard: dict[str, tuple[Path, Listener]] = {}
    for one, asked, _ in STAGES:
        listener, place = Listener(), folder / one.name
        outputs = {port.name: place / port.name for port in one.outputs}
        tracker = LiveTracker(partial(cast, "Any", listener), fail)
        one.run(asked, {port.name: paths[port.name] for port in one.inputs}, outputs, tracker)
        tracker.end(Step(one.name, {}, {}), "")
        heard[one.name] = place, listener
        paths = {**outputs, **paths} if one is not finetune else {**paths, **outputs}
    return heard


@pytest.mark.parametrize(("one", "_", "expected"), STAGES, ids=lambda value: getattr(value, "name", None))
def test_a_tracker_is_told_of_the_data_read_and_of_what_is_kept(one: Any, _: Any, expected: Any, told: Any):
    place, listener = told[one.name]
    heard = [(how, name) for how, name, _ in listener.told]
    assert heard == [("input", "dataset"), *expected]
    for how, name, path in listener.told:
        if how != "input":
            assert path == place / name
            assert (path / "manifest.json").is_file(), "what a tracker is told of is sealed"


@pytest.mark.parametrize("name", ["acquire_dense", "prune", "finetune"])
def test_a_tracker_hears_every_epoch_as_the_history_has_it(name: str, told: Any):
    place, listener = told[name]
    stored = History.load(place / "history")
    epochs = by_epoch((entry.epoch, epoch_metrics(entry)) for entry in stored.epochs)
    assert epochs.items() <= listener.metrics.items()
    assert epochs


def test_a_judged_model_gets_its_figures(told: Any):
    model = read_manifest(told["finetune"][0] / "finetuned_model", "finetuned_model")
    _, listener = told["evaluate"]
    figures = {name: value for (_, name), value in listener.metrics.items()}
    assert listener.judged == {model.digest: figures}
    assert {"test/max_psi", "train/accuracy", "sparsity"} <= figures.keys()


def test_the_figures_of_a_baseline_are_told(told: Any):
    place, listener = told["measure_baseline"]
    assert listener.metrics == by_epoch(Baseline.load(place / "baseline").metrics())


def test_a_history_says_what_it_is_of():
    params = AcquireDenseParams(**given.DENSE)
    of_dense = acquire_dense(params, given.dataset(), checkpoint=given.Witness(), tracker=NullTracker()).history
    assert (of_dense.method, of_dense.seed, of_dense.sparsity, of_dense.tolerance) == ("nft", 0, 0.0, 0.0)
    assert of_dense.parameters == params.effective()
    of_pruning = given.pruned(seed=3).history
    assert (of_pruning.method, of_pruning.seed, of_pruning.tolerance) == ("gmp", 3, 0.0)
    assert of_pruning.sparsity == given.pruned(seed=3).sparse_model.trained_by.achieved_sparsity >= 0.6
    made = given.finetuned(given.sparse_model(), label="mine", tolerance=0.03).history
    assert (made.method, made.label, made.seed, made.sparsity) == ("ceag", "mine", 0, 0.6)
    assert (made.shown_name, made.tolerance, made.measures) == ("mine", 0.03, "accuracy")
    assert made.parameters["label"] == "mine"


def test_a_model_meets_other_data_and_a_baseline_does_not(told: Any):
    folder = told["prune"][0].parent
    dataset = read_manifest(folder / "dataset", "dataset")
    other = replace(dataset, files={})
    model = read_manifest(told["acquire_dense"][0] / "dense_model", "dense_model")
    baseline = read_manifest(told["measure_baseline"][0] / "baseline", "baseline")
    paths = {"dataset": "data", "dense_model": "model", "baseline": "base"}
    require_one_lineage({"dense_model": model, "dataset": other}, paths)
    require_one_lineage({"dense_model": model, "dataset": dataset, "baseline": baseline}, paths)
    with pytest.raises(UserError, match="base: this baseline was made from another dataset than data; give those of"):
        require_one_lineage({"dense_model": model, "dataset": other, "baseline": baseline}, paths)
