"""The terms of the report, and what each method does, in a sentence or two each."""

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
    lines = {one.line for one in groups}
    shown = [one for one in groups if {"table", "plot"} & set(one.places)]
    shown += [one for one in overall if one.name in lines]
    shown += [one for one in shown_in("table", overall) if one.name not in {group.name for group in shown}]
    return MODELS | {_term(one): one.description for one in shown} | JUDGEMENT


def _term(quantity: Quantity) -> str:
    return SYMBOLS.get(quantity.name, quantity.heading)


METHODS = {
    "nft": "Plain fine-tuning after pruning.",
    "nft_es": "Plain fine-tuning, stopped at its best epoch.",
    "el": "Fine-tuning with every group's loss held equal to the overall loss, measured on the batch.",
    "el_rb": "As el, measured with replay buffers.",
    "ceag": "Fine-tuning with every group's excess accuracy gap within the tolerance, with replay buffers.",
    "ceag_no_rb": "As ceag, measured on the batch alone.",
    "celg": "Fine-tuning with every group's excess loss gap held within a tolerance.",
    "max_gap": "Fine-tuning with one constraint: Psi_PW within the tolerance.",
    "pairwise": "Fine-tuning with the gaps of every two groups held within the tolerance of each other.",
    "equal_eag": "Fine-tuning with every excess accuracy gap held at zero.",
    "approx_equal_eag": "Fine-tuning with the size of every excess accuracy gap held within the tolerance.",
    "two_sided_eag": "As approx_equal_eag, with a multiplier for each side.",
    "tran_full": "Fine-tuning with gradient norms and largest Hessian eigenvalues of groups held equal.",
    "fair_before": "Equal group losses while training the dense model.",
    "fair_after": "Equal group losses while fine-tuning the sparse model.",
    "fair_both": "Equal group losses before and after pruning.",
    "fairgrape": "Pruning that shares the kept weights by their importance for each group.",
}
