"""What a repository of the Hugging Face hub shows of an audited model: the card's front matter, and a benchmark's file.

Formats as read on 2026-11-30: ``model-index`` in hub-docs' ``modelcard.md`` and in ``huggingface_hub`` 2.4.0's
``EvalResult``; ``.eval_results/*.yaml`` in hub-docs' ``docs/hub/eval-results.md`` and in its ``EvalResultEntry``.
"""

import re
from typing import Any

import yaml

from prunegap.auditing import Audit
from prunegap.estimate import Estimate
from prunegap.report.markdown import one_line, points, signed
from prunegap.report.model_card import CardFacts, markdown_card

TAGS = ("prunegap", "model-compression", "fairness")
DIGITS = 6


def hugging_face_card(facts: CardFacts, judged: Audit) -> str:
    """Return a repository's ``README.md``: YAML front matter with the figures as ``model-index``, then the card.

    Accuracies are fractions, as the hub's metric ``accuracy`` is; gaps are in percentage points. Each metric's ``args``
    hold its unit and limits. A license that is not told is left out, and the hub then shows none.

    Args:
        facts: of the model; the hub refuses a license or a language that its lists do not have.
        judged: what it does to each group, compared with the model that it was made from.
    """
    head: dict[str, Any] = {"license": facts.license} if facts.license else {}
    head |= {"language": [one_line(one) for one in facts.languages]} if facts.languages else {}
    head |= {"pipeline_tag": facts.task, "tags": [*TAGS], "metrics": ["accuracy"]}
    name = one_line(f"{facts.model} {facts.method}")
    head["model-index"] = [{"name": name, "results": [_result(facts, judged)]}]
    return f"---\n{_yaml(head)}---\n\n{markdown_card(facts, judged)}"


def hugging_face_results(facts: CardFacts, judged: Audit, *, dataset_id: str, task_id: str, date: str = "") -> str:
    """Return a file for a model repository's folder ``.eval_results``: the accuracy, and in its notes the excess gaps.

    The hub takes one value a task, and data sets that are registered there as a benchmark only.

    Args:
        facts: of the model.
        judged: what it does to each group, whose accuracy after is told, a fraction.
        dataset_id: of the benchmark on the hub, ``owner/name``.
        task_id: of the task in the benchmark's ``eval.yaml``.
        date: when it was evaluated (ISO 8601); empty: the hub takes that of the commit.
    """
    largest = judged.max_psi
    notes = (
        f"split {facts.split}; excess accuracy gap of the worst group by {judged.grouping}: {signed(largest.value)} "
        f"points (at least {signed(largest.low)}, at most {signed(largest.high)}); {judged.verdict} at a tolerance of "
        f"{points(judged.tolerance)}"
    )
    entry: dict[str, Any] = {
        "dataset": {"id": dataset_id, "task_id": task_id},
        "value": round(judged.accuracy_after, DIGITS),
    }
    entry |= {"date": date} if date else {}
    return _yaml([entry | {"notes": one_line(notes)}])


def _result(facts: CardFacts, judged: Audit) -> dict[str, Any]:
    data = {"type": _identifier(facts.dataset), "name": one_line(facts.dataset), "split": one_line(facts.split)}
    return {
        "task": {"type": facts.task, "name": one_line(f"predict {facts.target}")},
        "dataset": data | {"args": {"groups": one_line(judged.grouping), "examples": judged.examples}},
        "metrics": _metrics(judged),
    }


def _metrics(judged: Audit) -> list[dict[str, Any]]:
    level = f"one-sided {100 * (1 - judged.alpha):g} % each"
    worst = judged.groups[0].name
    largest, spread = judged.max_psi, judged.psi_pw
    max_psi = {
        **_gap(Estimate(largest.value, largest.low, largest.high, level)),
        "worst_group": one_line(worst),
        "noise_floor_95": _points(judged.noise_floor_max_psi.high),
        "tolerance": _points(judged.tolerance),
        "two_sided": judged.two_sided,
        "candidates": judged.candidates,
        "verdict": judged.verdict,
    }
    psi_pw = {
        **_gap(Estimate(spread.value, spread.low, spread.high, level)),
        "noise_floor_95": _points(judged.noise_floor_psi_pw.high),
    }
    return [
        _metric("accuracy", "Accuracy (fraction)", judged.accuracy_after),
        _metric("accuracy_before", "Accuracy before compression (fraction)", judged.accuracy_before),
        _metric("churn", "Examples on which only one of both models is right (fraction)", judged.churn),
        _metric("max_psi", "Largest excess accuracy gap of a group (percentage points)", 100 * largest.value, max_psi),
        _metric("psi_pw", "Largest difference of two groups' gaps (percentage points)", 100 * spread.value, psi_pw),
    ]


def _metric(kind: str, name: str, value: float, more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "value": round(value, DIGITS), "name": name, "args": more or {"unit": "fraction"}}


def _gap(one: Estimate) -> dict[str, Any]:
    return {"unit": "percentage points", "low": _points(one.low), "high": _points(one.high), "limits": one.limits}


def _points(value: float | None) -> float | None:
    return None if value is None else round(100 * value, DIGITS)


def _identifier(name: str) -> str:
    """Return a name as the hub writes an identifier; the data need not lie there."""
    return re.sub(r"[^\w.-]+", "-", name.lower(), flags=re.ASCII).strip("-.") or "data"


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
