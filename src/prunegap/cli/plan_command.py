"""``prunegap plan``: before anything is trained, which tolerance can be certified and how many examples that takes."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from prunegap.artifacts.dataset import DATASET
from prunegap.artifacts.manifest import read_manifest
from prunegap.errors import UserError, did_you_mean


@click.command("plan")
@click.option("--groups", default="", metavar="N,N,...", help="Examples of each group.")
@click.option("--dataset", type=click.Path(path_type=Path), help="A dataset artifact, instead of --groups.")
@click.option("--split", default="test", show_default=True, help="Part of the data set.")
@click.option("--churn", type=float, required=True, help="Share of examples whose correctness will change (fraction).")
@click.option("--tolerance", type=float, required=True, help="Excess accuracy gap to certify (fraction).")
@click.option("--alpha", default=0.05, show_default=True, help="Probability of a wrong admission.")
def plan_command(
    *, groups: str, dataset: Path | None, split: str, churn: float, tolerance: float, alpha: float
) -> None:
    """Say before any training how sure a verdict can be: from the sizes of the groups and a churn.

    Churn: that of an earlier compression, or between two dense models of different seeds. All figures are for a
    verdict of all groups that comes out admissible with probability 0.8, if no group is hurt.
    """
    import numpy as np

    from prunegap.uncertainty import examples_for, tolerances_for

    if bool(groups) == bool(dataset):
        raise UserError("give the sizes of the groups with --groups, or a data set with --dataset")
    sizes = _of_dataset(dataset, split) if dataset else _given(groups)
    if len(sizes) < 2:
        raise UserError(f"an excess gap needs two groups or more, got {len(sizes)}")
    if not 0 < alpha < 1:
        raise UserError(f"--alpha: must be inside (0, 1), got {alpha:g}")
    try:
        wanted = examples_for(tolerance, churn, len(sizes), alpha=alpha)
    except ValueError as error:
        raise UserError(str(error)) from None
    certified = tolerances_for(np.array(list(sizes.values())), churn, alpha=alpha)
    width = max(len("group"), *map(len, sizes))
    enough = [name for name, examples in sizes.items() if examples >= wanted]
    lines = [
        f"{100 * tolerance:g} points can be certified for {'all' if len(enough) == len(sizes) else len(enough)} of "
        f"{len(sizes)} groups at a churn of {100 * churn:g} %: {wanted} examples each are needed",
        "",
        f"{'group':{width}}  {'examples':>8}  {'can be certified, points':>24}  lacking",
    ]
    for (name, examples), smallest in zip(sizes.items(), certified, strict=True):
        points = "nothing" if examples == 0 else f"{100 * smallest:.2f}"
        lines.append(f"{name:{width}}  {examples:>8}  {points:>24}  {max(wanted - examples, 0) or '-'}")
    click.echo("\n".join(lines))


def _given(groups: str) -> Mapping[str, int]:
    try:
        sizes = [int(one) for one in groups.split(",")]
    except ValueError:
        raise UserError(f"--groups {groups}: must be whole numbers with commas between them, as 343,1200,800") from None
    if min(sizes) < 0:
        raise UserError(f"--groups {groups}: a group cannot have {min(sizes)} examples")
    return {str(number): size for number, size in enumerate(sizes, 1)}


def _of_dataset(folder: Path, split: str) -> Mapping[str, int]:
    read_manifest(folder, "dataset")
    counts = json.loads((folder / DATASET).read_text(encoding="utf-8"))["counts"]
    if split not in counts:
        raise UserError(f"--split {split}: the data set {folder} has no such part{did_you_mean(split, counts)}")
    return counts[split]["groups"]
