"""``prunegap audit``: predictions of two models -> what each group loses, how sure that is, and an exit status for CI.

Exit codes: 0 admissible, 1 inadmissible, 3 undecidable (0 with --accept-undecidable), 2 a wrong call or a file that
cannot be judged.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prunegap import __version__
from prunegap.errors import UserError

if TYPE_CHECKING:
    from prunegap.auditing import Audit

EXIT = {"admissible": 0, "inadmissible": 1, "undecidable": 3}
WRONG_CALL = 2


@click.command("audit")
@click.argument("predictions", metavar="PREDICTIONS")
@click.option("--label", default="", help="Column of the true class.  [default: BEFORE and AFTER say 1 or 0: right?]")
@click.option("--before", required=True, help="Column of the first model's predictions; or <name>_<class>: scores.")
@click.option("--after", required=True, help="Likewise of the model that is judged.")
@click.option("--group", "groups", multiple=True, required=True, help="Column of an attribute; several: intersection.")
@click.option("--each-group", is_flag=True, help="Judge the attributes one by one instead of their intersection.")
@click.option("--tolerance", type=float, required=True, help="Excess accuracy gap that a group may have (fraction).")
@click.option("--alpha", default=0.05, show_default=True, help="Probability of a wrong admission, and of a refusal.")
@click.option("--candidates", default=1, show_default=True, help="Models this one was chosen among on these examples.")
@click.option("--two-sided", is_flag=True, help="No group may gain more than the tolerance over the average either.")
@click.option("--merge-below", default=0, metavar="N", help="Judge groups of fewer examples as one, (others).")
@click.option("--leave-out", multiple=True, metavar="GROUP", help="Leave a group's examples out, and say so.")
@click.option("--with", "other", default="", metavar="PREDICTIONS", help="Second file, with columns the first lacks.")
@click.option("--id", "identifier", default="", help="Column of both files that says which example a row is.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures to a file.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write a page that people read to a file.")
@click.option("--sarif", "sarif_file", type=click.Path(path_type=Path), help="Write SARIF (GitHub's code scanning).")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write JUnit XML, a test a group.")
@click.option("--accept-undecidable", is_flag=True, help="Exit with 0 where the verdict is undecidable, and say so.")
def audit_command(
    *,
    predictions: str,
    label: str,
    before: str,
    after: str,
    groups: tuple[str, ...],
    each_group: bool,
    tolerance: float,
    alpha: float,
    candidates: int,
    two_sided: bool,
    merge_below: int,
    leave_out: tuple[str, ...],
    other: str,
    identifier: str,
    json_file: Path | None,
    html_file: Path | None,
    sarif_file: Path | None,
    junit_file: Path | None,
    accept_undecidable: bool,
) -> None:
    """Judge any model by what it does to each group, from the predictions of two models in a CSV or Parquet file.

    The file is a path, an s3:// address, or a table of an MLflow run, runs:/RUN_ID/table.json. Pruned, quantised,
    distilled or a new release; of any framework, on any data. Exit status: 0 admissible (every group is shown to be
    within the tolerance), 1 inadmissible, 3 undecidable (0 with --accept-undecidable), 2 a wrong call.
    """
    from prunegap.auditing import Rules, audit, read_predictions
    from prunegap.remote.location import default_cache_dir
    from prunegap.report.written import check_places

    wanted = {"--json": json_file, "--html": html_file, "--sarif": sarif_file, "--junit": junit_file}
    places = {option: path for option, path in wanted.items() if path}
    tables = {"PREDICTIONS": predictions, "--with": other}
    try:
        check_places(places, {name: Path(one) for name, one in tables.items() if one and "://" not in one})
        cache = default_cache_dir()
        read = read_predictions(
            _table_at(predictions, cache),
            label=label,
            before=before,
            after=after,
            groups=groups,
            other=_table_at(other, cache) if other else None,
            identifier=identifier,
        )
        groupings = [(one,) for one in groups] if each_group else [groups]
        rules = Rules(
            tolerance=tolerance,
            alpha=alpha,
            candidates=candidates,
            two_sided=two_sided,
            merge_below=merge_below,
            leave_out=leave_out,
        )
        judged = [audit(read, grouping, rules, families=len(groupings)) for grouping in groupings]
        _write(places, judged, each_group=each_group, predictions=predictions, accept_undecidable=accept_undecidable)
    except UserError as error:
        click.echo("\n".join(f"error: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(WRONG_CALL)
    _show(judged, accept_undecidable)


def _table_at(location: str, cache: Path) -> Path:
    from prunegap.remote.location import file_at
    from prunegap.tracking.run_file import is_run_file, run_file

    return run_file(location) if is_run_file(location) else file_at(location, cache)


def _write(
    places: Mapping[str, Path],
    judged: Sequence["Audit"],
    *,
    each_group: bool,
    predictions: str,
    accept_undecidable: bool,
) -> None:
    """Write what was asked for."""
    from prunegap.report.audit_words import is_accepted
    from prunegap.report.written import write_text

    def text(option: str) -> str:
        if option == "--html":
            from prunegap.report.audit_html import audit_page

            return audit_page(judged, code_version=__version__, accept_undecidable=accept_undecidable)
        if option == "--junit":
            from prunegap.report.junit import junit

            return junit(judged, accept_undecidable=accept_undecidable)
        if option == "--sarif":
            from prunegap.report.sarif import sarif, uri_of

            return _json(sarif(judged, uri_of(predictions), accept_undecidable=accept_undecidable))
        plain = [one.plain() | {"undecidable_accepted": is_accepted(one.verdict, accept_undecidable)} for one in judged]
        return _json(plain if each_group else plain[0])

    for option, path in places.items():
        write_text(path, text(option))


def _json(value: object) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _show(judged: Sequence["Audit"], accept_undecidable: bool) -> None:
    """Print audits and exit with what they come to together."""
    from prunegap.report.audit_text import shown
    from prunegap.report.audit_words import ACCEPTED, is_accepted, together

    for one in judged:
        verdict, *rest = shown(one)
        accepted = [ACCEPTED] if is_accepted(one.verdict, accept_undecidable) else []
        click.echo("\n".join([verdict, *accepted, *rest]))
    verdict = together(judged)
    sys.exit(0 if is_accepted(verdict, accept_undecidable) else EXIT[verdict])
