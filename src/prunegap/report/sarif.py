"""Audits as SARIF 2.1.0, which GitHub's code scanning and editors show: a result for each group that is not within.

GitHub takes every result for a problem, one of the kind ``pass`` too, so groups that are within have none; it needs a
location, and tells results apart by ``primaryLocationLineHash``.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prunegap import __version__
from prunegap.auditing import Audit, GroupAudit
from prunegap.report.audit_words import ACCEPTED, group_sentence, is_accepted, together
from prunegap.report.plain_names import legal

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "above": (
        "group-above-tolerance",
        "error",
        "A group's excess accuracy gap is beyond the tolerance",
        "What the group loses of accuracy, beyond what all examples lose, is shown to be outside the tolerance.",
    ),
    "open": (
        "group-undecided",
        "warning",
        "The examples do not show whether a group's excess accuracy gap is within the tolerance",
        "The group is neither shown to be within the tolerance nor to be outside: that takes more examples.",
    ),
}
"""Identifier, level, short and full description of each finding that is a result."""


def sarif(judged: Sequence[Audit], artifact_uri: str, *, accept_undecidable: bool = False) -> dict[str, Any]:
    """Return audits as a SARIF log.

    Args:
        judged: audits of one model, a grouping each; at least one.
        artifact_uri: of the predictions, relative to the repository's root where it is in it (:func:`uri_of`).
        accept_undecidable: whether a verdict that the data leave open passes: its groups are notes, suppressed.
    """
    verdict = together(judged)
    run = {
        "tool": {"driver": {"name": "prunegap audit", "version": __version__, "rules": _rules()}},
        "invocations": [{"executionSuccessful": True, "exitCodeDescription": _told(verdict, accept_undecidable)}],
        "artifacts": [_artifact(at, name, digest, artifact_uri) for at, (name, digest) in enumerate(_files(judged))],
        "results": [
            _result(one, group, artifact_uri, is_accepted(one.verdict, accept_undecidable))
            for one in judged
            for group in one.groups
            if group.finding in RULES
        ],
        "properties": {"verdicts": {one.grouping: _told(one.verdict, accept_undecidable) for one in judged}},
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def uri_of(place: str) -> str:
    """Return a path or an address as SARIF names it: below the working directory relative to it, else whole."""
    if "://" in place:
        return quote(place, safe=":/")
    path = Path(place).absolute()
    here = Path.cwd()
    return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()


def _told(verdict: str, accept_undecidable: bool) -> str:
    return ACCEPTED if is_accepted(verdict, accept_undecidable) else verdict


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": identifier,
            "shortDescription": {"text": short},
            "fullDescription": {"text": full},
            "help": {"text": full},
            "defaultConfiguration": {"level": level},
        }
        for identifier, level, short, full in RULES.values()
    ]


def _files(judged: Sequence[Audit]) -> list[tuple[str, str]]:
    return list({name: digest for one in judged for name, digest in one.files.items()}.items())


def _artifact(at: int, name: str, digest: str, artifact_uri: str) -> dict[str, Any]:
    """Return a file with its digest: the first is the one that results lie in, others go by their name alone."""
    return {"location": {"uri": quote(name) if at else artifact_uri}, "hashes": {"sha-256": digest}}


def _result(judged: Audit, group: GroupAudit, artifact_uri: str, accepted: bool) -> dict[str, Any]:
    identifier, level, _, _ = RULES[group.finding]
    # "](" would make a link of a name.
    said = legal(group_sentence(judged, group)).replace("](", "] (")
    result: dict[str, Any] = {
        "ruleId": identifier,
        "ruleIndex": list(RULES).index(group.finding),
        "level": "note" if accepted else level,
        "kind": "fail",
        "message": {"text": f"{said} The verdict is {ACCEPTED}." if accepted else said},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": artifact_uri},
                    "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{_fingerprint(judged.grouping, group.name)}:1"},
        "properties": {"grouping": legal(judged.grouping), "group": legal(group.name), "tolerance": judged.tolerance},
    }
    if accepted:
        result["suppressions"] = [{"kind": "external", "justification": "--accept-undecidable"}]
    return result


def _fingerprint(grouping: str, name: str) -> str:
    """Return what stays of a group while its figures change."""
    both = f"{grouping}\0{name}".encode(errors="surrogatepass")
    return hashlib.sha256(both).hexdigest()[:16]
