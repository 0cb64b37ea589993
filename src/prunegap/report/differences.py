"""Methods beside each other on the same examples: whose excess gaps differ by more than chance makes of it.

The excess gap of a group under one method minus that under another is the excess gap between their two models: what
the dense model does cancels out. So its limits are those of any excess gap, of one seed or over seeds; all of one
sparsity hold together (alpha divided by the methods beside the first).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunegap.artifacts.evaluation import TRAIN, Evaluation, judged_split
from prunegap.artifacts.method_difference import GroupDifference, MethodDifference
from prunegap.report.groups import sparsities_of
from prunegap.report.seed_mean import plain_percent
from prunegap.report.summary import write_records

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_NAMED = 3


def method_differences(evaluations: Sequence[Evaluation]) -> list[MethodDifference]:
    """Compare every method with the first one, at each sparsity, on the split that models are judged on.

    Only seeds that both were run with count. A method is left out where there are no examples apart from train, where
    the evaluations do not tell which group an example is in, or where they are of different examples.
    """
    found: list[MethodDifference] = []
    for sparsity in sparsities_of(evaluations):
        here = [one for one in evaluations if one.sparsity == sparsity]
        split = judged_split(here)
        by_method: dict[str, dict[int, Evaluation]] = {}
        for one in here:
            if split in one.outcomes and split in one.members and split != TRAIN:
                by_method.setdefault(one.shown_name, {})[one.seed] = one
        reference, *others = by_method or [""]
        for method in others:
            alpha = here[0].alpha / len(others)
            of_both = [
                (before, after)
                for seed, before in by_method[reference].items()
                if (after := by_method[method].get(seed))
            ]
            if of_both and (difference := _difference(of_both, split, alpha)):
                found.append(difference)
    return found


def _difference(pairs: Sequence[tuple[Evaluation, Evaluation]], split: str, alpha: float) -> MethodDifference | None:
    from prunegap.uncertainty import PairedCounts, kept_image_variance, over_seeds, simultaneous_limits

    first, other = pairs[0]
    groups: NDArray[np.int64] = first.members[split].numpy()
    if any(not np.array_equal(one.members[split].numpy(), groups) for pair in pairs for one in pair):
        return None
    names = [group.name for group in first.splits[split].groups]
    right = np.array([[one.outcomes[split].correct.numpy() for one in pair] for pair in pairs])
    counts = [PairedCounts.count(before, after, groups, len(names)) for before, after in right]
    if (counts[0].examples > 0).sum() < 2:
        return None
    stacked = PairedCounts.stacked(counts)
    if len(pairs) > 1:
        deltas = right[:, 0].astype(np.int64) - right[:, 1]
        limits = over_seeds(stacked, alpha, kept=kept_image_variance(deltas, groups, len(names)))
    else:
        limits = simultaneous_limits(counts[0], alpha)
    psi = stacked.excess_gap.mean(axis=0)
    return MethodDifference(
        sparsity=first.sparsity,
        split=split,
        method=other.shown_name,
        reference=first.shown_name,
        seeds=[before.seed for before, _ in pairs],
        groups=tuple(
            GroupDifference(name, count, *map(float, figures))
            for name, count, *figures in zip(
                names, counts[0].examples.tolist(), psi, limits.low, limits.high, strict=True
            )
            if count
        ),
    )


def sentences_at(differences: Sequence[MethodDifference], sparsity: float) -> list[tuple[str, str]]:
    """Return each method at a sparsity with what is shown of it beside the first."""
    return [(one.method, difference_sentence(one)) for one in differences if one.sparsity == sparsity]


def difference_sentence(one: MethodDifference) -> str:
    """Say which groups a method is shown to hurt less, and which more, than the one it is compared with."""
    seeds = "one seed" if len(one.seeds) == 1 else f"{len(one.seeds)} seeds"
    beside = f"beside {one.reference} (over {seeds}, on the same {one.split} examples)"
    less = [group for group in sorted(one.groups, key=lambda group: group.value) if group.high < 0]
    more = [group for group in sorted(one.groups, key=lambda group: -group.value) if group.low > 0]
    if not less and not more:
        return f"{beside} is not shown to hurt any group less or more."
    parts = [_named(groups, word, sign) for groups, word, sign in ((less, "less", -1), (more, "more", 1)) if groups]
    return f"{beside} {'; '.join(parts)}."


def _named(groups: Sequence[GroupDifference], word: str, sign: int) -> str:
    ends = [sorted((sign * 100 * group.low, sign * 100 * group.high)) for group in groups[:MOST_NAMED]]
    told = [
        f"{group.name} {sign * 100 * group.value:.1f} points {word} (limits {low:.1f} to {high:.1f})"
        for group, (low, high) in zip(groups, ends, strict=False)
    ]
    rest = f" and {len(groups) - MOST_NAMED} more groups" if len(groups) > MOST_NAMED else ""
    return f"hurts {', '.join(told)}{rest}"


def write_differences_csv(differences: Sequence[MethodDifference], path: Path) -> None:
    """Write ``method_differences.csv``: a row a method and group, in percentage points."""
    records = [
        {
            "sparsity_percent": plain_percent(one.sparsity),
            "split": one.split,
            "method": one.method,
            "reference": one.reference,
            "seeds": str(len(one.seeds)),
            "group_name": group.name,
            "count": str(group.count),
            "excess_gap_difference": f"{100 * group.value:z.4f}",
            "excess_gap_difference_low": f"{100 * group.low:z.4f}",
            "excess_gap_difference_high": f"{100 * group.high:z.4f}",
        }
        for one in differences
        for group in one.groups
    ]
    if records:
        write_records(records, path)
