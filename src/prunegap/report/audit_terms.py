"""What the words of an audit's page mean, and what was asked for, in words."""

from prunegap.auditing import Audit
from prunegap.report.audit_words import ACCEPTED, SMALL, percent
from prunegap.report.seed_mean import in_points


def terms(judged: Audit) -> dict[str, str]:
    """Return each word that an audit's page uses with its meaning."""
    sure = f"{percent(1 - judged.alpha)} %"
    alone = percent(1 - judged.alpha / judged.candidates)
    beyond = "beyond" if judged.two_sided else "above"
    return {
        "excess gap (psi)": "How many points of accuracy more a group loses than all examples together. Below 0: less.",
        "tolerance": "How large an excess gap a group may have.",
        "interval": f"Where the true excess gap lies; all intervals hold together with {sure}.",
        "by itself at most": (
            f"The upper limit that one group keeps with {alone} % by itself. It decides whether the group is within, "
            "so a group can be within though its interval, which is for all groups together, goes beyond the tolerance."
        ),
        f"within, {beyond}, open": (
            f"Within: the limits of the group alone are inside the tolerance. {beyond.capitalize()}: limits that hold "
            "for all groups together are outside. Open: neither, the examples are too few to say."
        ),
        "admissible": "Every group is shown to be within the tolerance.",
        "inadmissible": f"At least one group is shown to be {beyond} the tolerance.",
        "undecidable": f"No group is shown to be {beyond} it, and not all are shown to be within.",
        "max psi, Psi_PW": (
            "The largest excess gap of a group, and the largest difference between the gaps of two groups. Largest "
            "values are large by chance too."
        ),
        "what chance alone makes": (
            "The largest excess gap where groups are drawn at random from the same examples, up to where 95 % of the "
            "draws lie; p is the share of draws at least as large as the measured one."
        ),
        "lost, gained": "Examples that only the model before gets right, and that only the model after does.",
        "churn": "Share of the examples that are lost or gained.",
        "examples to decide": (
            "How many examples of a group would show it to be within with probability 0.8, if it is what it seems; "
            "none where it seems to be above."
        ),
        "small": f"A group of fewer than {SMALL} examples: one of them is worth more than three points.",
    }


def settings(judged: Audit, *, accept_undecidable: bool) -> dict[str, str]:
    """Return what was asked for."""
    level = percent(judged.alpha / judged.candidates)
    return {
        "tolerance": in_points(judged.tolerance),
        "alpha": f"{judged.alpha:g}: probability of a wrong admission, and of a wrong refusal",
        "candidates": f"{judged.candidates}: models that this one was chosen among on these examples; "
        f"each is admitted at {level} %",
        "two-sided": "yes: no group may gain more than the tolerance over the average either"
        if judged.two_sided
        else "no: a group may gain more than the average",
        "undecidable verdicts": ACCEPTED.partition(", ")[2] if accept_undecidable else "not accepted",
    }
