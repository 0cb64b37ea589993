"""A verdict as people and CI read it: Markdown, SARIF and JUnit XML."""

import json
from collections.abc import Mapping
from dataclasses import replace

from prunegap.artifacts.verdict import VERDICT, Verdict
from prunegap.report.junit import junit
from prunegap.report.sarif import sarif
from prunegap.report.verdict_text import verdict_markdown


def verdict_files(verdict: Verdict) -> Mapping[str, bytes]:
    """Return content by file name; in those for CI a model's groups stand under its name."""
    named = [replace(one.audit, grouping=f"{one.audit.grouping} of {one.name}") for one in verdict.models]
    accepts = verdict.accepts_undecidable
    log = sarif(named, VERDICT, accept_undecidable=accepts)
    texts = {
        "verdict.md": verdict_markdown(verdict),
        "verdict.sarif": json.dumps(log, indent=1) + "\n",
        "verdict.junit.xml": junit(named, accept_undecidable=accepts),
    }
    return {name: text.encode() for name, text in texts.items()}
