"""Which groups are at risk when a dense model is pruned: their figures, a ranking, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from prunegap.artifacts.evaluation import TRAIN, Evaluation, judged_split
from prunegap.estimate import Estimate

if TYPE_CHECKING:
    from prunegap.data.grouped import Split
    from prunegap.diagnostics import GroupDiagnosis
    from prunegap.gaps import Outcomes
    from prunegap.uncertainty import Limits, RankCorrelation

RANKED = {
    "gradient_norm": "gradient norm",
    "eigenvalue": "Hessian eigenvalue",
    "closeness": "closeness to the boundary",
}
"""Figures that the ranking is by, and what people call them."""
COMPARED = {"ranking": "the ranking", **RANKED, "generalisation_gap": "train minus held-out", "examples": "examples"}
PLAIN = "nft"


@dataclass(frozen=True)
class GroupRisk:
    """One group.

    Attributes:
        name: of the group.
        found: its figures on the training set, which are about exactly these examples: no sample, no limits.
        held_out: accuracy on examples not trained on, with limits that hold for this group alone.
        generalisation_gap: accuracy on train minus that.
        ranks: place in each figure that the ranking is by, 1 = largest.
        mean_rank: mean of these; None without examples.
    """

    name: str
    found: GroupDiagnosis
    held_out: Estimate
    generalisation_gap: Estimate
    ranks: Mapping[str, float]
    mean_rank: float | None

    def figure(self, name: str) -> float | None:
        """Return a figure by its name, None where there is none."""
        if name == "ranking":
            return None if self.mean_rank is None else -self.mean_rank
        if name == "generalisation_gap":
            return self.generalisation_gap.value
        return figure_of(self.found, name)


@dataclass(frozen=True)
class Measured:
    """What pruning did to the groups, against their figures before.

    Attributes:
        sparsity: of the pruned models.
        method: that they were fine-tuned with.
        models: how many; a group's excess gap is the mean over them.
        correlations: Spearman's, of the excess gap with each figure, by split and figure.
    """

    sparsity: float
    method: str
    models: int
    correlations: Mapping[str, Mapping[str, RankCorrelation]]


@dataclass(frozen=True)
class Diagnosis:
    """A dense model's groups, most at risk first.

    Attributes:
        model: name of the network.
        seed: of its training.
        split: that held-out accuracies are of; empty: there is none.
        alpha: probability that a limit misses.
        groups: those with training examples by their mean rank, then the others.
        measured: a sparsity each, of the models that were pruned from this one.
    """

    model: str
    seed: int
    split: str
    alpha: float
    groups: tuple[GroupRisk, ...]
    measured: tuple[Measured, ...]

    def plain(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        fields = asdict(self)
        for group, one in zip(fields["groups"], self.groups, strict=True):
            group |= {"train": group.pop("found")}
            group["mean_rank"] = one.mean_rank
        return _finite(fields)


def figure_of(found: GroupDiagnosis, name: str) -> float | None:
    """Return a figure of the training set, None where there is none."""
    value = getattr(found, name)
    number = value.value if name == "eigenvalue" and value is not None else value
    return None if number is None or not isfinite(number) else number


def group_risks(
    names: Sequence[str], found: Sequence[GroupDiagnosis], held_out: tuple[Outcomes, Split] | None, alpha: float
) -> tuple[GroupRisk, ...]:
    """Return the groups, ranked by the mean of their ranks in Tran et al.'s three figures.

    Args:
        names: of the groups.
        found: their figures on the training set, in the same order.
        held_out: what the model does with examples not trained on, and these.
        alpha: probability that the limits of an accuracy miss.
    """
    accuracies = _accuracies(held_out, len(names), alpha)
    ranks = _ranks(found)
    risks = [
        GroupRisk(
            name,
            one,
            accuracy,
            _gap(figure_of(one, "accuracy"), accuracy),
            places,
            sum(places.values()) / len(places) if places else None,
        )
        for name, one, accuracy, places in zip(names, found, accuracies, ranks, strict=True)
    ]
    return tuple(sorted(risks, key=lambda one: (one.mean_rank is None, one.mean_rank, one.ranks.get("gradient_norm"))))


def measured_of(risks: Sequence[GroupRisk], evaluations: Sequence[Evaluation]) -> tuple[Measured, ...]:
    """Return how the groups' figures agree with what plain fine-tuning at each sparsity did to them.

    Args:
        risks: of a dense model.
        evaluations: of models that were pruned from it; where none was fine-tuned plainly, the first method's count.
    """
    plain = [one for one in evaluations if one.method == PLAIN] or list(evaluations)
    shown = [one for one in plain if one.shown_name == plain[0].shown_name]
    levels = dict.fromkeys(one.sparsity for one in shown)
    return tuple(_measured(risks, [one for one in shown if one.sparsity == level]) for level in levels)


def _measured(risks: Sequence[GroupRisk], evaluations: Sequence[Evaluation]) -> Measured:
    from prunegap.uncertainty import rank_correlation

    splits = [name for name in dict.fromkeys([TRAIN, judged_split(evaluations)]) if name in evaluations[0].splits]
    correlations: dict[str, dict[str, RankCorrelation]] = {}
    for split in splits:
        gaps = [_or_nan(_mean_excess_gap(evaluations, split, one.name)) for one in risks]
        figures = {name: [_or_nan(one.figure(name)) for one in risks] for name in COMPARED}
        correlations[split] = {name: rank_correlation(values, gaps) for name, values in figures.items()}
    first = evaluations[0]
    return Measured(first.sparsity, first.shown_name, len(evaluations), correlations)


def _mean_excess_gap(evaluations: Sequence[Evaluation], split: str, group: str) -> float | None:
    values = [one.value("excess_gap") for each in evaluations for one in each.splits[split].groups if one.name == group]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ranks(found: Sequence[GroupDiagnosis]) -> list[dict[str, float]]:
    from scipy.stats import rankdata

    ranks: list[dict[str, float]] = [{} for _ in found]
    for name in RANKED:
        known = [(index, value) for index, one in enumerate(found) if (value := figure_of(one, name)) is not None]
        for (index, _), rank in zip(known, rankdata([-value for _, value in known]), strict=True):
            ranks[index][name] = float(rank)
    return ranks


def _accuracies(held_out: tuple[Outcomes, Split] | None, groups: int, alpha: float) -> list[Estimate]:
    if held_out is None:
        return [Estimate(None)] * groups
    import torch

    from prunegap.uncertainty import share_limits

    outcomes, split = held_out
    examples = split.group_counts(groups).cpu().numpy()
    right = torch.bincount(split.groups[outcomes.correct], minlength=groups).cpu().numpy()
    limits: Limits = share_limits(right, examples, alpha)
    level = f"{100 * (1 - alpha):g} %, each group alone"
    return [
        Estimate(int(one) / int(count), float(low), float(high), level) if count else Estimate(None)
        for one, count, low, high in zip(right, examples, limits.low, limits.high, strict=True)
    ]


def _gap(train: float | None, held_out: Estimate) -> Estimate:
    if train is None or held_out.value is None or held_out.low is None or held_out.high is None:
        return Estimate(None)
    return Estimate(train - held_out.value, train - held_out.high, train - held_out.low, held_out.limits)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not isfinite(value) else value
