"""An audit in words for someone who decides whether a model ships; pages and files for CI say the same ones.

A fraction is shown in percent, a difference of fractions in percentage points.
"""

from collections.abc import Sequence

from prunegap.auditing import Audit, GroupAudit
from prunegap.report.seed_mean import in_points

ACCEPTED = "undecidable, accepted because of --accept-undecidable"
SMALL = 30
"""Examples below which a group is called small: one of them is worth more than three points."""
MOST_NAMED = 3
MAY_SHIP = {"admissible": "May ship", "inadmissible": "May not ship", "undecidable": "Cannot be decided yet"}


def together(judged: Sequence[Audit]) -> str:
    """Return the verdict over several groupings: all must be admissible, one at fault is enough."""
    return worst([one.verdict for one in judged])


def worst(verdicts: Sequence[str]) -> str:
    """Return what several verdicts come to."""
    return next(word for word in ("inadmissible", "undecidable", "admissible") if word in verdicts)


def is_accepted(verdict: str, accept_undecidable: bool) -> bool:
    """Return whether a verdict passes only because its caller said so."""
    return accept_undecidable and verdict == "undecidable"


def points(value: float | None) -> str:
    """Return a difference in points with its sign, ``+1.25``; a dash without one."""
    return "-" if value is None else f"{100 * value:+z.2f}"


def percent(value: float | None) -> str:
    """Return a share in percent without trailing zeros, ``98.5``; a dash without one."""
    return "-" if value is None else f"{100 * value:.2f}".rstrip("0").rstrip(".")


def finding_words(judged: Audit, group: GroupAudit) -> str:
    """Return what is shown of a group and the tolerance; two-sided, a group may also gain too much."""
    beyond = _beyond(judged)
    return {
        "within": "within the tolerance",
        "above": f"{beyond} the tolerance",
        "open": f"neither within nor {beyond}",
    }[group.finding]


def headline(verdict: str, *, accept_undecidable: bool = False) -> str:
    """Return a verdict as a phrase: may the model ship."""
    return "May ship, undecided" if is_accepted(verdict, accept_undecidable) else MAY_SHIP[verdict]


def verdict_sentence(judged: Audit) -> str:
    """Return the verdict with its reason, a sentence or two."""
    at = f"{judged.verdict.capitalize()} at a tolerance of {in_points(judged.tolerance)}"
    return f"{at}: {_REASONS[judged.verdict](judged)}"


def together_sentences(judged: Sequence[Audit]) -> list[str]:
    """Return why several groupings together come to their verdict: the rule, and what each that decides it shows."""
    word = together(judged)
    decisive = [one for one in judged if one.verdict == word]
    rule = f"{word.capitalize()} over {len(judged)} groupings: all must be admissible, one at fault is enough."
    return [rule, *(f"By {one.grouping}: {_REASONS[word](one)}" for one in decisive)]


def certainty(judged: Audit, *, accept_undecidable: bool = False) -> str:
    """Return how sure the verdict is; of one that passes only because its caller said so, that it is not."""
    if is_accepted(judged.verdict, accept_undecidable):
        return "How sure: not at all; a model that hurts a group by more than the tolerance may well pass in this way."
    level = judged.alpha / judged.candidates
    chosen = (
        f" Chosen among {judged.candidates} models: alpha is divided by that many." if judged.candidates > 1 else ""
    )
    return (
        f"How sure: a model that hurts a group by more than the tolerance is admitted with probability "
        f"{percent(level)} % at most, one that hurts none is refused with {percent(judged.alpha)} % at most.{chosen}"
    )


def group_sentence(judged: Audit, group: GroupAudit) -> str:
    """Return what a group loses against the average, whether that is within the tolerance, and how sure it is."""
    psi = group.excess_gap
    within = in_points(judged.tolerance)
    found = {
        "within": f"within the tolerance of {within}",
        "above": f"{_beyond(judged)} the tolerance of {within}",
        "open": f"shown to be neither within nor {_beyond(judged)} the tolerance of {within}",
    }[group.finding]
    sure = f"all groups together with {percent(1 - judged.alpha)} %"
    needed = "" if group.needed is None else f"; {group.needed} examples of it would decide"
    return (
        f"Group {group.name} (by {judged.grouping}): {change(psi.value)}, {found}. Excess accuracy gap "
        f"{points(psi.value)} points, between {points(psi.low)} and {points(psi.high)} ({sure}), by itself at most "
        f"{points(group.at_most)}; {group.examples} examples, of which {group.lost} were lost and {group.gained} "
        f"gained{needed}."
    )


def change(psi: float | None) -> str:
    """Return an excess gap as a phrase, ``loses 1.25 points more than the average``."""
    if psi is None:
        return "has no estimate"
    return f"loses {100 * abs(psi):.2f} points {'more' if psi >= 0 else 'less'} than the average"


def is_small(group: GroupAudit) -> bool:
    """Return whether a group has so few examples that its figure says little."""
    return group.examples < SMALL


def _named(groups: Sequence[GroupAudit], judged: Audit) -> str:
    shown = "; group ".join(f"{one.name} {_limits(one, judged)}" for one in groups[:MOST_NAMED])
    return f"Group {shown}" + (f"; and {len(groups) - MOST_NAMED} more" if len(groups) > MOST_NAMED else "")


def _limits(group: GroupAudit, judged: Audit) -> str:
    psi = group.excess_gap
    if group.finding == "above":
        # Holm's later groups are at fault though the limits that hold together reach below the tolerance, or 0.
        least = max(psi.low or 0, -(psi.high or 0))
        return change(psi.value) + (f", at least {100 * least:.2f}" if least > 0 else "")
    if judged.two_sided:
        could = f"has an excess gap between {points(psi.low)} and {points(psi.high)} points"
    else:
        could = f"may lose up to {100 * (group.at_most or 0):.2f} points more than the average"
    return f"{could} ({group.needed} examples would decide)" if group.needed else could


def _of(judged: Audit, finding: str) -> list[GroupAudit]:
    return [one for one in judged.groups if one.finding == finding]


def _admissible(judged: Audit) -> str:
    most = max(one.at_most or 0.0 for one in judged.groups)
    return (
        f"every one of the {len(judged.groups)} groups is shown to be within it. The worst may lose at most "
        f"{100 * most:.2f} points more than the average."
    )


def _inadmissible(judged: Audit) -> str:
    hurt = _of(judged, "above")
    return f"{_count(hurt, judged)} shown to be {_beyond(judged)} it. {_named(hurt, judged)}."


def _undecidable(judged: Audit) -> str:
    left = _of(judged, "open")
    return (
        f"no group is shown to be {_beyond(judged)} it, but {_count(left, judged)} "
        f"not shown to be within it either. {_named(left, judged)}."
    )


def _beyond(judged: Audit) -> str:
    return "beyond" if judged.two_sided else "above"


def _count(groups: Sequence[GroupAudit], judged: Audit) -> str:
    return f"{len(groups)} of {len(judged.groups)} groups {'is' if len(groups) == 1 else 'are'}"


_REASONS = {"admissible": _admissible, "inadmissible": _inadmissible, "undecidable": _undecidable}
