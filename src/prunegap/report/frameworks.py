"""Which figures of an audit serve which clause of common frameworks: evidence, and never a claim that one is met."""

from collections.abc import Mapping
from typing import Any

from scipy.stats import binomtest

from prunegap.auditing import Audit
from prunegap.report.audit_text import reason
from prunegap.report.clauses import CLAUSES, READ_ON, Clause
from prunegap.report.model_card import CardFacts
from prunegap.uncertainty import Bound, NoiseFloor

SCHEMA_VERSION = 1
NOTE = (
    "Each entry names a clause, what it asks for in our words, the figures that serve it, and what they leave open. "
    "Nothing here says that a system meets a clause, or that a clause applies to it."
)


def evidence(facts: CardFacts, judged: Audit) -> dict[str, Any]:
    """Return the figures of an audit by the clauses that they serve, as plain JSON values.

    Accuracies, gaps and limits are fractions. Limits of an accuracy are Clopper and Pearson's (1934, Biometrika
    26:404), two-sided, of each figure alone; those of gaps are the audit's.

    Args:
        facts: of the model.
        judged: what it does to each group, compared with the model that it was made from.
    """
    figures = _figures(facts, judged)
    return {
        "schema_version": SCHEMA_VERSION,
        "read_on": READ_ON,
        "note": NOTE,
        "model": {"name": facts.model, "method": facts.method, "target": facts.target, "seed": facts.seed},
        "entries": [_entry(one, figures) for one in CLAUSES],
    }


def _entry(clause: Clause, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "framework": clause.framework,
        "clause": clause.clause,
        "asks": clause.asks,
        "figures": {name: figures[name] for name in clause.figures},
        "not_covered": clause.not_covered,
    }


def _figures(facts: CardFacts, judged: Audit) -> dict[str, Any]:
    return {
        "evaluation_data": {
            "data_set": facts.dataset,
            "split": facts.split,
            "examples": judged.examples,
            "groups_by": judged.grouping,
            "groups": [{"group": one.name, "examples": one.examples} for one in judged.groups],
            "notes": list(judged.notes),
        },
        "accuracy": {
            "before": _accuracy(judged.accuracy_before, judged.examples, judged.alpha),
            "after": _accuracy(judged.accuracy_after, judged.examples, judged.alpha),
        },
        "group_accuracies": [
            {
                "group": one.name,
                "before": _accuracy(one.accuracy_before, one.examples, judged.alpha),
                "after": _accuracy(one.accuracy_after, one.examples, judged.alpha),
            }
            for one in judged.groups
        ],
        "churn": {"value": judged.churn, "unit": "fraction", "limits": "none"},
        "excess_gaps": _excess_gaps(judged),
        "max_psi": _largest(judged.max_psi, judged.noise_floor_max_psi, judged.alpha),
        "psi_pw": _largest(judged.psi_pw, judged.noise_floor_psi_pw, judged.alpha),
        "verdict": _verdict(judged),
        "provenance": {"prunegap": facts.version, "digests": dict(facts.digests), "files_sha256": dict(judged.files)},
    }


def _excess_gaps(judged: Audit) -> list[dict[str, Any]]:
    return [
        {
            "group": one.name,
            "value": one.excess_gap.value,
            "low": one.excess_gap.low,
            "high": one.excess_gap.high,
            "limits": one.excess_gap.limits,
            "at_most_alone": one.at_most,
            "unit": "fraction",
            "shown_to_be": one.finding,
        }
        for one in judged.groups
    ]


def _verdict(judged: Audit) -> dict[str, Any]:
    return {
        "word": judged.verdict,
        "reason": reason(judged),
        "tolerance": judged.tolerance,
        "two_sided": judged.two_sided,
        "alpha": judged.alpha,
        "candidates": judged.candidates,
    }


def _accuracy(value: float | None, examples: int, alpha: float) -> dict[str, Any]:
    told: dict[str, Any] = {"value": value, "low": None, "high": None, "unit": "fraction", "limits": ""}
    if value is None:
        return told
    limits = binomtest(round(value * examples), examples).proportion_ci(1 - alpha, method="exact")
    sure = f"two-sided {100 * (1 - alpha):g} %, this figure alone"
    return told | {"low": float(limits.low), "high": float(limits.high), "limits": sure}


def _largest(bound: Bound, floor: NoiseFloor, alpha: float) -> dict[str, Any]:
    return {
        "value": bound.value,
        "low": bound.low,
        "high": bound.high,
        "limits": f"one-sided {100 * (1 - alpha):g} % each",
        "unit": "fraction",
        "groups_at_random": {"mean": floor.mean, "high_95": floor.high, "p": floor.p},
    }
