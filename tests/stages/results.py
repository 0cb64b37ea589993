"""A stage called with values, and its result in named parts that two calls can be compared by.

The parts in ``HOW`` tell how it was computed, by what a network saw and a checkpoint was asked; the others are the
result. Seconds are in none. Parameters that a result merely repeats are in ``told``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from stages import tiny_values as given
from stages.tiny_network import SEEN
from torch import Tensor

from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.history import History
from prunegap.artifacts.model import StoredModel
from prunegap.errors import UserError
from prunegap.gaps import Outcomes
from prunegap.stages.acquire_dense import acquire_dense
from prunegap.stages.compare import compare
from prunegap.stages.contract import Stage
from prunegap.stages.evaluate import evaluate
from prunegap.stages.finetune import finetune
from prunegap.stages.gate import GateParams, gate
from prunegap.stages.measure_baseline import measure_baseline
from prunegap.stages.params import StageParams
from prunegap.stages.prepare_data import prepare_data
from prunegap.stages.prune import prune
from prunegap.tracking.protocol import NullTracker

STAGES: tuple[Stage[..., Any], ...] = (
    prepare_data,
    acquire_dense,
    measure_baseline,
    prune,
    finetune,
    evaluate,
    gate,
    compare,
)
BASE: Mapping[str, Mapping[str, Any]] = {
    "prepare_data": {"source": "table", "location": "{here}/people.csv", "part_column": "part"},
    "acquire_dense": given.DENSE,
    "measure_baseline": {},
    "prune": given.PRUNE,
    "finetune": given.FINETUNE,
    "evaluate": {},
    "gate": {},
    "compare": {},
}
HOW = ("input layout", "weight layout", "activations", "threads", "training batches", "evaluation batches", "saves")
Parts = dict[str, Any]


def result_of(name: str, params: StageParams) -> Parts:
    """Call the stage of that name; what it refuses is its result as well."""
    SEEN.clear()
    keeps = given.Witness()
    try:
        parts = CALLS[name](params, {"checkpoint": keeps, "tracker": NullTracker()})
    except UserError as error:
        return {"refused": str(error)}
    return parts | {
        "input layout": {seen.input_layout for seen in SEEN},
        "weight layout": {seen.weight_layout for seen in SEEN if seen.training},
        "activations": {seen.activations for seen in SEEN},
        "threads": {seen.threads for seen in SEEN},
        "training batches": [seen.examples for seen in SEEN if seen.training],
        "evaluation batches": [seen.examples for seen in SEEN if not seen.training and seen.examples > 2],
        "saves": list(keeps.saved),
    }


def differing(one: Parts, other: Parts, within: float = 0.0) -> set[str]:
    """Names of the parts that are not the same to the bit, or that differ by more than ``within``."""
    return {name for name in one.keys() | other.keys() if not same(one.get(name), other.get(name), within)}


def same(one: Any, other: Any, within: float = 0.0) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.allclose(
            one.double(), other.double(), rtol=0, atol=within, equal_nan=True
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], within) for key in one)
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str | bytes):
        return len(one) == len(other) and all(same(*both, within) for both in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= within
    return type(one) is type(other) and one == other


def _prepared(params, _) -> Parts:
    made: Dataset = prepare_data(params)
    data = made.data
    return {
        "images": {name: split.images for name, split in data.splits.items()},
        "labels": {name: split.labels for name, split in data.splits.items()},
        "groups": {name: split.groups for name, split in data.splits.items()},
        "rows": data.row_names,
        "names": (list(data.class_names), list(data.group_names), data.target, list(data.group_by)),
        "normalisation": (list(data.channel_mean), list(data.channel_std)),
        "left out": [(row.name, row.reason) for row in made.left_out],
    }


def _acquired(params, handed) -> Parts:
    made = acquire_dense(params, given.dataset(), **handed)
    spec = made.dense_model.network.spec
    meaning = {"classes": spec.class_names, "normalisation": (spec.channel_mean, spec.channel_std)}
    return _network(made.dense_model.network) | _history(made.history) | meaning


def _measured(params, _) -> Parts:
    made = measure_baseline(params, given.dataset(), given.dense_model())
    return _outcomes(made.outcomes) | {"figures": made.summary}


def _pruned(params, handed) -> Parts:
    made = prune(params, given.dataset(), given.dense_model(), given.baseline(), **handed)
    momentum = made.sparse_model.optimizer_state["state"]
    return _network(made.sparse_model.network) | _history(made.history) | {"momentum": momentum}


def _finetuned(params, handed) -> Parts:
    made = finetune(params, given.dataset(), given.baseline(), given.sparse_model(), **handed)
    model = made.finetuned_model
    told = {"label": model.trained_by.label, "in history": made.history.method}
    return _network(model.network) | _history(made.history) | {"told": told}


def _evaluated(params, _) -> Parts:
    made = evaluate(params, given.dataset(), given.baseline(), given.finetuned_model())
    figures = {name: asdict(split) for name, split in made.splits.items()}
    return _outcomes(made.outcomes) | {"figures": figures, "told": made.dataset}


def _gated(params, _) -> Parts:
    plain = gate(params, given.judged()[0]).plain()
    return {"models": plain.pop("models"), "told": plain}


def _compared(params, _) -> Parts:
    evaluations, histories = given.judged()
    verdict = gate(GateParams(), evaluations)
    return {"files": dict(compare(params, evaluations, histories, verdict).files)}


CALLS = {
    "prepare_data": _prepared,
    "acquire_dense": _acquired,
    "measure_baseline": _measured,
    "prune": _pruned,
    "finetune": _finetuned,
    "evaluate": _evaluated,
    "gate": _gated,
    "compare": _compared,
}


def _network(stored: StoredModel) -> Parts:
    return {"weights": dict(stored.state), "masks": dict(stored.masks)}


def _outcomes(outcomes: Mapping[str, Outcomes]) -> Parts:
    return {
        "predicted": {name: split.predicted for name, split in outcomes.items()},
        "losses": {name: split.loss for name, split in outcomes.items()},
    }


def _history(history: History) -> Parts:
    entries = [{name: value for name, value in asdict(entry).items() if name != "seconds"} for entry in history.epochs]
    return {"entries": entries, "trace": None if history.trace is None else asdict(history.trace)}
