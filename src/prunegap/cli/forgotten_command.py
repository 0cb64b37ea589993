"""``prunegap forgotten``: which examples, and whose, sparse models see otherwise than dense ones do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prunegap.artifacts.manifest import check, write_json
from prunegap.cli.gate_command import baselines_in, evaluations_in
from prunegap.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from prunegap.artifacts.evaluation import Evaluation
    from prunegap.gaps import Outcomes
    from prunegap.report.forgotten_groups import Forgotten


NOTES = """In brackets: 95 % limits of each group alone.
right before, right after: forgotten examples whose class most dense models predict, and most sparse ones.
dense models differ: pairs of dense models that predict different classes, over all examples."""


@click.command("forgotten")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--method", "methods", multiple=True, help="Method by its name in tables.  [default: all]")
@click.option("--split", default="", help="train, validation or test.  [default: test, else the last there is]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures and which examples.")
def forgotten_command(*, run: Path, methods: tuple[str, ...], split: str, json_file: Path | None) -> None:
    """Say what pruning forgets, over the seeds of a run: examples on whose class the sparse models agree otherwise.

    Per method, sparsity and group: how many examples the dense models agree on one class of and the sparse models on
    another (Hooker et al. 2019), with limits for the group alone; how many of them were right, and are; and how often
    two dense models differ, which is what training anew changes. It needs several seeds, better with
    dense_seeds: per_seed.
    """
    from prunegap.report.written import check_places

    if json_file:
        check_places({"--json": json_file}, {})
    found = forgotten_in(run, methods, split)
    for one in found:
        click.echo("\n".join([*one.lines(), ""]))
    click.echo(NOTES)
    if json_file:
        write_json(json_file, {"populations": [one.plain() for one in found]})


def forgotten_in(run: Path, methods: Sequence[str] = (), split: str = "") -> list[Forgotten]:
    """Return what each method of a run forgets at each sparsity.

    Args:
        run: folder of the run.
        methods: names in tables; none: all.
        split: of the data; empty: test, else the last there is.

    Raises:
        UserError: no run with evaluations, an unknown method or split, evaluations of an earlier version, or whose
            dense models are no longer there.
    """
    from prunegap.artifacts.evaluation import Evaluation, judged_split, splits_of
    from prunegap.report.forgotten_groups import forgotten_groups

    evaluations = [Evaluation.load(path) for path in evaluations_in(run) if check(path, "evaluation")]
    names = dict.fromkeys(one.shown_name for one in evaluations)
    for method in methods:
        if method not in names:
            raise UserError(f"--method: the run has no method '{method}'{did_you_mean(method, names)}")
    split = split or judged_split(evaluations)
    if split not in splits_of(evaluations):
        raise UserError(f"--split: nothing was evaluated on '{split}'{did_you_mean(split, splits_of(evaluations))}")
    evaluations = [one for one in evaluations if not methods or one.shown_name in methods]
    dense = _dense_outcomes(run, evaluations, split)
    found: list[Forgotten] = []
    for name in methods or names:
        for sparsity in dict.fromkeys(one.sparsity for one in evaluations):
            those = [one for one in evaluations if (one.shown_name, one.sparsity) == (name, sparsity)]
            if not those:
                continue
            found.append(
                forgotten_groups(
                    [dense[digest] for digest in dict.fromkeys(one.made_from["baseline"] for one in those)],
                    [one.outcomes[split] for one in those],
                    _members(those[0], split),
                    [group.name for group in those[0].splits[split].groups],
                    shown_name=name,
                    sparsity=sparsity,
                    split=split,
                )
            )
    return found


def _dense_outcomes(run: Path, evaluations: Sequence[Evaluation], split: str) -> dict[str, Outcomes]:
    """Return what every dense model that was compared with does on a split, by the digest of its baseline."""
    from prunegap.artifacts.baseline import Baseline

    paths = {manifest.digest: path for path, manifest in baselines_in(run)}
    outcomes: dict[str, Outcomes] = {}
    for one in evaluations:
        digest = one.made_from.get("baseline", "")
        if digest not in paths:
            raise UserError(
                f"{run}: the dense model that {one.shown_name} (seed {one.seed}) was compared with is gone; prunegap "
                "run makes anew what is missing"
            )
        if digest not in outcomes:
            check(paths[digest], "baseline")
            outcomes[digest] = Baseline.load(paths[digest]).outcomes[split]
    return outcomes


def _members(evaluation: Evaluation, split: str) -> Tensor:
    if split not in evaluation.members:
        raise UserError(
            "an evaluation of an earlier version, which does not say whose each example is; run evaluate again"
        )
    return evaluation.members[split]
