"""A diagnosis as lines of text: who is at risk and why first, then every group, then what pruning did to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prunegap.report.group_risk import COMPARED, RANKED, Diagnosis, GroupRisk, Measured, figure_of
from prunegap.report.plain_names import shortened
from prunegap.report.seed_mean import NO_ESTIMATE

if TYPE_CHECKING:
    from prunegap.estimate import Estimate
    from prunegap.uncertainty import RankCorrelation

MOST_GROUPS = 25
MOST_NAMED = 3
NAME_WIDTH = 24
FEW = 20
SURE = 0.05


def shown(one: Diagnosis) -> list[str]:
    """Return a diagnosis as lines."""
    return [
        *_first(one),
        "",
        *_table(one),
        "",
        *_notes(one),
        *(line for each in one.measured for line in _held(each)),
        *_on_p(one),
    ]


def _first(one: Diagnosis) -> Iterator[str]:
    ranked = [group for group in one.groups if group.mean_rank is not None]
    if len(ranked) < 2:
        yield f"Groups of {_named(one)} cannot be ranked: {len(ranked)} of {len(one.groups)} has examples in train."
        return
    worst = ranked[: MOST_NAMED if len(ranked) > 2 * MOST_NAMED else 1]
    then = "".join(f", then {group.name}" for group in worst[1:])
    yield f"Most at risk when {_named(one)} is pruned: {worst[0].name}{then}, of {len(ranked)} groups."
    for group in worst:
        yield f"{group.name}: {_why(group)}.{_memorised(group, one.split)}"
    figures = [words for name, words in RANKED.items() if name in worst[0].ranks]
    yield (
        f"This ranks groups and predicts no loss: by the mean of their ranks in {_listed(figures)}, on train; the "
        "larger, the more a group may lose (Tran et al. 2022)."
    )
    for each in one.measured:
        told = [f"{_signed(found['ranking'])} on {split}" for split, found in each.correlations.items()]
        yield f"{_pruned(each)}: the ranking and the groups' excess gaps correlate by {_listed(told)} (Spearman)." + (
            _few(each)
        )


def _named(one: Diagnosis) -> str:
    return f"{one.model} (seed {one.seed})"


def _why(group: GroupRisk) -> str:
    def told(name: str, words: str) -> str:
        rank = group.ranks[name]
        return f"{words} {_number(figure_of(group.found, name))} ({'largest' if rank == 1 else f'place {rank:g}'})"

    return _listed([told(name, words) for name, words in RANKED.items() if name in group.ranks])


def _memorised(group: GroupRisk, split: str) -> str:
    gap = group.generalisation_gap
    if gap.value is None or gap.low is None:
        return ""
    train, there = _percent(figure_of(group.found, "accuracy")), _limits(group.held_out)
    known = f" It has {train} % right on train and {there} % on {split}"
    if gap.low <= 0:
        return f"{known}: no memorisation is shown."
    return f"{known}: {_limits(gap)} points of its training accuracy are memorised."


def _table(one: Diagnosis) -> Iterator[str]:
    groups = one.groups[:MOST_GROUPS]
    names = [shortened(group.name, NAME_WIDTH) for group in groups]
    width = max(len("group"), *map(len, names))
    there = one.split or "held out"

    def row(name: str, *cells: str) -> str:
        size, train, held_out, gap, gradient, eigenvalue, closeness = cells
        return (
            f"{name:{width}}  {size:>8}  {train:>7}  {held_out:^18}  {gap:^18}  {gradient:>8}  {eigenvalue:>10}  "
            f"{closeness:>9}"
        ).rstrip()

    yield row("", "train", "train", f"{there} %", f"train - {there},", "gradient", "Hessian", "closeness")
    yield row("group", "examples", "%", "", "points", "norm", "eigenvalue", "")
    for name, group in zip(names, groups, strict=True):
        found = group.found
        yield row(
            name,
            str(found.examples),
            _percent(figure_of(found, "accuracy")),
            _limits(group.held_out),
            _limits(group.generalisation_gap),
            _number(figure_of(found, "gradient_norm")),
            _number(figure_of(found, "eigenvalue")) + ("~" if _unsettled(group) else ""),
            _number(figure_of(found, "closeness")),
        )
    if len(one.groups) > MOST_GROUPS:
        yield f"... and {len(one.groups) - MOST_GROUPS} groups that stand lower (--json has all)"


def _notes(one: Diagnosis) -> Iterator[str]:
    level = f"{100 * (1 - one.alpha):g} %"
    if one.split:
        yield f"In brackets: {level} limits of each group alone; figures of train are about exactly its examples."
    else:
        yield "There are no held-out examples: nothing says which training accuracy is memorised."
    yield "closeness: mean of p (1 - p), p the probability of the true class; 0.25 is on the boundary."
    used = [group.found.hessian_examples for group in one.groups if group.found.eigenvalue is not None]
    if not used:
        yield "Eigenvalues were left out; they are no part of the ranking."
    elif any(group.found.hessian_examples < group.found.examples for group in one.groups):
        yield f"Eigenvalues are of at most {max(used)} examples a group, drawn with seed 0 (--examples takes more)."
    if any(map(_unsettled, one.groups)):
        yield "~: a lower bound, the eigenvalue had not settled after as many products as are taken."
    if empty := [group.name for group in one.groups if not group.found.examples]:
        yield f"Without examples in train, and not ranked: {', '.join(empty)}."


def _held(one: Measured) -> Iterator[str]:
    """Yield a table of correlations."""
    splits = list(one.correlations)
    yield ""
    yield f"{_pruned(one)}: Spearman's correlation of the groups' excess gaps with"
    width = max(map(len, COMPARED.values()))
    yield f"{'':{width}}  " + "  ".join(f"{split:>8}  {'p':>6}" for split in splits)
    for name, words in COMPARED.items():
        found = [one.correlations[split][name] for split in splits]
        cells = (f"{_signed(each):>8}  {NO_ESTIMATE if each.p is None else f'{each.p:.2g}':>6}" for each in found)
        yield f"{words:{width}}  " + "  ".join(cells)


def _on_p(one: Diagnosis) -> Iterator[str]:
    if one.measured:
        yield ""
        yield (
            "p: share of permutations of the groups that correlate as strongly, each row alone. A drop in accuracy has "
            "the same ranks as its excess over the average."
        )


def _few(one: Measured) -> str:
    found: RankCorrelation = next(iter(one.correlations.values()))["ranking"]
    if found.least_p > SURE:
        return f" Of {found.groups} groups even a perfect order has p = {found.least_p:.2g}: they decide nothing."
    return f" {found.groups} groups decide little." if found.groups < FEW else ""


def _pruned(one: Measured) -> str:
    models = "" if one.models == 1 else f", mean of {one.models} models"
    return f"After {one.method} at {100 * one.sparsity:.4g} % sparsity{models}"


def _unsettled(group: GroupRisk) -> bool:
    return group.found.eigenvalue is not None and not group.found.eigenvalue.converged


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _signed(one: RankCorrelation) -> str:
    return NO_ESTIMATE if one.value is None else f"{one.value:+.2f}"


def _number(value: float | None) -> str:
    return NO_ESTIMATE if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return NO_ESTIMATE if value is None else f"{100 * value:.1f}"


def _limits(one: Estimate) -> str:
    if one.value is None:
        return NO_ESTIMATE
    return f"{_percent(one.value)} [{_percent(one.low)}, {_percent(one.high)}]"
