"""A model card from an audit: what a compressed model does to each group, for whoever is to use the model.

The sections are those of Mitchell et al. 2019, *Model Cards for Model Reporting* (arXiv:1810.03993), and provenance.
What only a person can know is marked as not filled in, never guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from prunegap.auditing import Audit, GroupAudit
from prunegap.report.audit_text import WORDS, reason
from prunegap.report.markdown import escaped, percent, signed, templates

TRAIN = "train"


@dataclass(frozen=True)
class CardFacts:
    """What a card tells of a model beside its audit, which has grouping, tolerance and level itself.

    Attributes:
        model: name of the network or of the model.
        method: what compressed it, as tables call it.
        summary: what the method does, in a sentence; may be empty.
        dataset: name of the data set that was judged on.
        target: what is predicted.
        split: the part of the data set that was judged on.
        version: of the program that judged.
        seed: of training, None where there is none to tell.
        sparsity: share of prunable weights asked to be zero, a fraction; None for a model that is not pruned.
        achieved_sparsity: share of prunable weights that is zero.
        digests: of the model, the data and whatever else the figures rest on, by name.
        license: identifier of the model's license, as the Hugging Face hub lists them (``apache-2.0``); may be empty.
        languages: ISO 639 codes, for a model of text or speech.
        task: kind of task, as the Hugging Face hub calls it.
    """

    model: str
    method: str
    summary: str
    dataset: str
    target: str
    split: str
    version: str
    seed: int | None = None
    sparsity: float | None = None
    achieved_sparsity: float | None = None
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    license: str = ""
    languages: Sequence[str] = ()
    task: str = "image-classification"


def markdown_card(facts: CardFacts, judged: Audit) -> str:
    """Return a model card in Markdown (CommonMark with tables), shares in percent and gaps in percentage points.

    Args:
        facts: of the model.
        judged: what it does to each group, compared with the model that it was made from.
    """
    page = templates().get_template("model_card.md.j2")
    return page.render(
        facts=facts,
        judged=judged,
        reason=reason(judged),
        rows=[_row(one) for one in judged.groups],
        smallest=min(judged.groups, key=lambda one: one.examples),
        before=accuracies(judged, "accuracy_before"),
        after=accuracies(judged, "accuracy_after"),
        level=1 - judged.alpha,
        harmed=[one for one in judged.groups if (one.excess_gap.low or 0) > 0],
        undecided=[one for one in judged.groups if one.finding == "open"],
        on_train=facts.split == TRAIN,
    )


def _row(one: GroupAudit) -> Markup:
    psi = one.excess_gap
    cells = (
        escaped(one.name),
        str(one.examples),
        percent(one.accuracy_before),
        percent(one.accuracy_after),
        signed(psi.value),
        f"{signed(psi.low)} to {signed(psi.high)}",
        signed(one.at_most),
        finding(one),
    )
    return Markup(" | ".join(cells))  # noqa: S704 - escaped for Markdown


def finding(one: GroupAudit) -> str:
    """Return what is shown of a group, in words, and what would show more."""
    if one.finding == "above" and (one.excess_gap.value or 0) < 0:
        return "gains more than the tolerance"
    return WORDS[one.finding] + (f"; {one.needed} examples would decide, if it is what it seems" if one.needed else "")


def accuracies(judged: Audit, name: str) -> tuple[float, float]:
    """Return the lowest and the highest accuracy of a group, fractions; ``name`` is a field of a group."""
    known = [value for one in judged.groups if (value := getattr(one, name)) is not None]
    return min(known), max(known)
