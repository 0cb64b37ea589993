"""What a tracker shows of an evaluation."""

from collections.abc import Iterator

from prunegap.artifacts.evaluation import Evaluation
from prunegap.estimate import Estimate, shown_in


def evaluation_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return what a tracker shows of an evaluation: ``<split>/<name>`` and ``group_<name>_<split>/<group>``.

    Limits stand beside: ``<split>/<name>_low``, ``group_<name>_high_<split>/<group>``.
    """
    overall = shown_in("tracking", evaluation.overall_quantities)
    per_group = shown_in("tracking", evaluation.group_quantities)
    metrics: dict[str, float | None] = {}
    for split, result in evaluation.splits.items():
        for one in overall:
            metrics |= {f"{split}/{one.name}{end}": value for end, value in _ends(result.estimate(one.name))}
        metrics[f"{split}/feasible"] = int(result.feasible)
        for one in per_group:
            for group in result.groups:
                metrics |= {
                    f"group_{one.name}{end}_{split}/{group.name}": value
                    for end, value in _ends(group.estimate(one.name))
                }
    return {name: value for name, value in metrics.items() if value is not None}


def _ends(one: Estimate) -> Iterator[tuple[str, float | None]]:
    """Yield an estimate's value and limits by what their names end with."""
    yield from (("", one.value), ("_low", one.low), ("_high", one.high))
