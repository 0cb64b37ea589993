"""A verdict in words: a line a model for the terminal, and a page of Markdown."""

from collections.abc import Iterator, Sequence

from prunegap.artifacts.verdict import ADMISSIBLE, INADMISSIBLE, SHOWN_AS, UNDECIDABLE, ModelVerdict, Verdict
from prunegap.report.audit_text import reason, shown
from prunegap.report.seed_mean import in_points, plain_percent

MOST_NAMED = 5
RULES = {
    "bonferroni": "each admitted at a level of alpha divided by the {count} models to choose among",
    "fixed_sequence": (
        "the models of each method and seed tested from the least sparse on, none admitted after one that is not"
    ),
}


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line a model, and the sparsest one that may be used."""
    for one in verdict.models:
        let_pass = verdict.passes(one) and one.audit.verdict != ADMISSIBLE
        accepted = ", accepted by --accept-undecidable" if let_pass else ""
        yield (
            f"{one.name}: {one.audit.verdict.upper()}{accepted} at a tolerance of "
            f"{in_points(one.audit.tolerance)} on {verdict.split}: {reason(one.audit)}"
        )
    candidates = verdict.models[0].audit.candidates
    if len(verdict.models) > 1:
        yield sparsest(verdict)
    elif candidates > 1:
        yield f"chosen among {candidates} models: {RULES[verdict.rule].format(count=candidates)}"


def short_verdict(verdict: Verdict) -> Iterator[str]:
    """Yield which model may be used, and a line a method and sparsity."""
    yield recommendation(verdict)
    for sparsity in dict.fromkeys(one.sparsity for one in verdict.models):
        for method, sentence in method_verdicts(verdict, sparsity):
            yield f"{method} {plain_percent(sparsity)} %: {sentence}"


def method_verdicts(verdict: Verdict, sparsity: float) -> Iterator[tuple[str, str]]:
    """Yield each method at a sparsity with the verdict on its models, of which there is one a seed."""
    models: dict[str, list[ModelVerdict]] = {}
    for one in verdict.models:
        if one.sparsity == sparsity:
            models.setdefault(one.method, []).append(one)
    for method, those in models.items():
        at = f"at a tolerance of {in_points(those[0].audit.tolerance)} on {verdict.split}"
        if len(those) == 1:
            yield method, f"{those[0].audit.verdict} {at}: {reason(those[0].audit)}."
            continue
        parts: list[str] = []
        for word in SHOWN_AS:
            alike = [one for one in those if one.audit.verdict == word]
            if alike:
                seeds = ", ".join(str(one.seed) for one in alike)
                why = "" if word == ADMISSIBLE else f"; {_groups_named(alike, word)}"
                parts.append(f"{len(alike)} {word} (seed {seeds}{why})")
        yield method, f"of {len(those)} models, {at}: {', '.join(parts)}."


def _groups_named(models: Sequence[ModelVerdict], word: str) -> str:
    finding = "above" if word == INADMISSIBLE else "open"
    named = dict.fromkeys(group.name for one in models for group in one.audit.groups if group.finding == finding)
    listed = ", ".join(list(named)[:MOST_NAMED]) + (f" and {len(named) - MOST_NAMED} more" * (len(named) > MOST_NAMED))
    shown = "shown to be above" if word == INADMISSIBLE else "not shown to be within"
    return f"{shown}: {listed}"


def recommendation(verdict: Verdict) -> str:
    """Return in a sentence or two which model may be used, and why that one or why none."""
    model, count = best(verdict), len(verdict.models)
    rule = RULES[verdict.rule].format(count=verdict.models[0].audit.candidates)
    because = f" ({rule})" if count > 1 else ""
    if model is not None:
        words = [one.audit.verdict for one in verdict.models]
        among = (
            f"the sparsest of {words.count(ADMISSIBLE)} admissible among {count} models" if count > 1 else "admissible"
        )
        return (
            f"May ship: {model.name}, {among}. On {verdict.split} every group is shown to lose at most "
            f"{in_points(model.audit.tolerance)} more than the average; accuracy "
            f"{_percent(model.audit.accuracy_before)} before, {_percent(model.audit.accuracy_after)} after{because}."
        )
    open_ = sum(one.audit.verdict == UNDECIDABLE for one in verdict.models)
    if not open_:
        return f"No model may ship: each of {count} is shown to hurt a group by more than its tolerance{because}."
    return (
        f"No model may ship yet: none of {count} is shown to be admissible, and on {open_} the {verdict.split} "
        f"examples are too few to say{because}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def sparsest(verdict: Verdict) -> str:
    """Return which model is the sparsest that may be used, and by which rule that is known."""
    rule = RULES[verdict.rule].format(count=verdict.models[0].audit.candidates)
    model = best(verdict)
    if model is None:
        return f"sparsest admissible model: none of {len(verdict.models)} ({rule})"
    return (
        f"sparsest admissible model: {model.name}, accuracy {100 * model.audit.accuracy_after:.2f} % ({rule}; of "
        "equally sparse ones the most accurate)"
    )


def best(verdict: Verdict) -> ModelVerdict | None:
    """Return the sparsest admissible model, of equally sparse ones the most accurate; None where there is none."""
    admitted = [one for one in verdict.models if one.audit.verdict == ADMISSIBLE]
    return max(admitted, key=lambda one: (one.sparsity, one.audit.accuracy_after), default=None)


def verdict_markdown(verdict: Verdict) -> str:
    """Return the verdict as Markdown: the lines first, then the groups of each model, then what it is bound to."""
    parts = ["# Verdict\n", *(f"- {line}" for line in verdict_lines(verdict)), ""]
    for one in verdict.models:
        parts += [f"## {one.name}\n", "```", *shown(one.audit), "```", "", *_bound(one), ""]
    return "\n".join(parts)


def _bound(model: ModelVerdict) -> Iterator[str]:
    yield f"{plain_percent(model.sparsity)} % of the prunable weights are zero. sha256 of what the verdict rests on:\n"
    yield from (f"- {name}: `{digest}`" for name, digest in sorted(model.made_from.items()))
