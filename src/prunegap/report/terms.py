"""The terms of a report and its methods, in a sentence or two each; quantities and methods bring their own text."""

from collections.abc import Sequence

from prunegap.artifacts.evaluation import Evaluation
from prunegap.estimate import Quantity, joined, shown_in

SYMBOLS = {"excess_gap": "excess accuracy gap (EAG, psi)"}
MODELS = {
    "dense model": "The classifier before pruning.",
    "sparse model": "The same classifier after the given share of its prunable weights was set to zero.",
    "sparsity": "Share of prunable weights that are zero.",
}
JUDGEMENT = {
    "tolerance": "How much more than the average any group may lose, in percentage points.",
    "feasible on train": (
        "max psi on the training data, averaged over the seeds, is within the tolerance. Behind it stands "
        "how many of the seeds are feasible by themselves."
    ),
    "multiplier": "The weight that constrained fine-tuning gives a constraint; violations raise it.",
    "violation": "By how much a constraint is exceeded, measured while training.",
    "±": "Sample standard deviation over the seeds.",
}


def terms(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return what the words of a report mean; the quantities are those its tables and plots show."""
    groups = joined(one.group_quantities for one in evaluations)
    overall = joined(one.overall_quantities for one in evaluations)
    shown: list[Quantity] = []
    for group in groups:
        if {"table", "plot"} & set(group.places):
            shown += [group, *(one for one in overall if one.name == group.line)]
    return MODELS | {_term(one): one.description for one in [*shown, *shown_in("table", overall)]} | JUDGEMENT


def _term(quantity: Quantity) -> str:
    return SYMBOLS.get(quantity.name, quantity.heading)


def methods(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Return what each method that is shown does; a labelled one carries its method's name too."""
    return {
        f"{one.label} ({one.method})" if one.label not in {"", one.method} else one.method: one.summary
        for one in evaluations
        if one.summary
    }
