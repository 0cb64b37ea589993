"""Audits as JUnit XML, which GitLab, Jenkins and GitHub's actions show: a test suite a grouping, a test case a group.

A group that is not shown to be within fails, for what nobody could decide must not look passed; where the caller
accepts an undecidable verdict its groups are skipped. The texts stand in an attribute and in the element: GitLab shows
the one, Jenkins both.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from prunegap.auditing import Audit, GroupAudit
from prunegap.report.audit_words import ACCEPTED, certainty, group_sentence, is_accepted, verdict_sentence
from prunegap.report.plain_names import legal

SUITE = "prunegap audit"


def junit(judged: Sequence[Audit], *, accept_undecidable: bool = False) -> str:
    """Return audits as a JUnit XML file.

    Args:
        judged: audits of one model, a grouping each.
        accept_undecidable: whether a verdict that the data leave open passes.
    """
    root = Element("testsuites", {"name": SUITE})
    for one in judged:
        _suite(root, one, is_accepted(one.verdict, accept_undecidable))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.attrib[count]) for suite in root)))
    indent(root)
    return tostring(root, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _suite(root: Element, judged: Audit, accepted: bool) -> None:
    suite = SubElement(root, "testsuite", {"name": legal(judged.grouping)})
    properties = SubElement(suite, "properties")
    told = {
        "verdict": ACCEPTED if accepted else judged.verdict,
        "tolerance": f"{judged.tolerance:g}",
        "alpha": f"{judged.alpha:g}",
        "candidates": str(judged.candidates),
        "two_sided": str(judged.two_sided).lower(),
    }
    for name, value in [*told.items(), *((f"sha256 {file}", digest) for file, digest in judged.files.items())]:
        SubElement(properties, "property", {"name": legal(name), "value": value})
    for group in judged.groups:
        _case(suite, judged, group, accepted)
    lines = [verdict_sentence(judged), certainty(judged, accept_undecidable=accepted), *judged.notes]
    SubElement(suite, "system-out").text = legal("\n".join(lines))
    counts = {"failures": len(suite.findall("*/failure")), "errors": 0, "skipped": len(suite.findall("*/skipped"))}
    suite.attrib |= {"tests": str(len(judged.groups)), **{name: str(count) for name, count in counts.items()}}
    suite.set("time", "0")


def _case(suite: Element, judged: Audit, group: GroupAudit, accepted: bool) -> None:
    """Write a group; GitLab shows the class name as the suite."""
    names = {"classname": f"{SUITE} by {legal(judged.grouping)}", "name": legal(group.name), "time": "0"}
    case = SubElement(suite, "testcase", names)
    said = legal(group_sentence(judged, group))
    if group.finding == "above":
        outcome = SubElement(case, "failure", {"type": "above tolerance", "message": said})
    elif group.finding == "open" and accepted:
        outcome = SubElement(case, "skipped", {"message": f"{ACCEPTED}: {said}"})
    elif group.finding == "open":
        outcome = SubElement(case, "failure", {"type": "undecidable", "message": said})
    else:
        outcome = SubElement(case, "system-out")
    outcome.text = outcome.get("message", said)
