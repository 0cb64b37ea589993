"""``prunegap audit``: predictions of two models -> what each group loses, how sure that is, and an exit status for CI.

Exit codes: 0 admissible, 1 inadmissible, 3 undecidable, 2 a wrong call or a file that cannot be judged.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prunegap.artifacts.manifest import clear_disk_errors, write_json
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
) -> None:
    """Judge any model by what it does to each group, from the predictions of two models in a CSV or Parquet file.

    The file is a path or an s3:// address. Pruned, quantised, distilled or a new release; of any framework, on any
    data. Exit status: 0 admissible (every group is shown to be within the tolerance), 1 inadmissible, 3 undecidable,
    2 a wrong call.
    """
    from prunegap.auditing import Rules, audit, read_predictions
    from prunegap.remote.location import default_cache_dir, file_at

    try:
        cache = default_cache_dir()
        read = read_predictions(
            file_at(predictions, cache),
            label=label,
            before=before,
            after=after,
            groups=groups,
            other=file_at(other, cache) if other else None,
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
        if json_file:
            with clear_disk_errors(json_file):
                write_json(json_file, [one.plain() for one in judged] if each_group else judged[0].plain())
    except UserError as error:
        click.echo("\n".join(f"error: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(WRONG_CALL)
    from prunegap.report.audit_text import shown

    for one in judged:
        click.echo("\n".join(shown(one)))
    sys.exit(EXIT[together(judged)])


def together(judged: Sequence["Audit"]) -> str:
    """Return the verdict over several groupings: all must be admissible, one at fault is enough."""
    words = {one.verdict for one in judged}
    return next(word for word in ("inadmissible", "undecidable", "admissible") if word in words)
