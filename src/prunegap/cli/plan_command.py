"""``prunegap plan``: before anything is trained, which tolerance can be certified and how many examples that takes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from prunegap.artifacts.dataset import DATASET
from prunegap.artifacts.manifest import check, read_manifest
from prunegap.errors import UserError, did_you_mean


@click.command("plan")
@click.option("--groups", default="", metavar="N,N,...", help="Examples of each group.")
@click.option("--dataset", type=click.Path(path_type=Path), help="A dataset artifact, instead of --groups.")
@click.option("--split", default="test", show_default=True, help="Part of the data set.")
@click.option("--churn", type=float, help="Share of examples whose correctness will change (fraction).")
@click.option(
    "--baseline",
    "baselines",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Baseline artifact of a dense model; two, of models of different seeds, measure the churn instead.",
)
@click.option("--tolerance", type=float, required=True, help="Excess accuracy gap to certify (fraction).")
@click.option("--alpha", default=0.05, show_default=True, help="Probability of a wrong admission.")
def plan_command(
    *,
    groups: str,
    dataset: Path | None,
    split: str,
    churn: float | None,
    baselines: tuple[Path, ...],
    tolerance: float,
    alpha: float,
) -> None:
    """Say before any training how sure a verdict can be: from the sizes of the groups and a churn.

    Churn: that of an earlier compression, or between two dense models of different seeds, whose baselines measure it
    (a first estimate). All figures are for a verdict of all groups that comes out admissible with probability 0.8, if
    no group is hurt.
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
    if (churn is None) != (len(baselines) == 2) or len(baselines) not in {0, 2}:
        raise UserError("say the churn with --churn, or name the baselines of two dense models with --baseline, twice")
    lines: list[str] = []
    if churn is None:
        churn, told = _measured(baselines, split, alpha)
        lines.append(told)
    try:
        wanted = examples_for(tolerance, churn, len(sizes), alpha=alpha)
    except ValueError as error:
        raise UserError(str(error)) from None
    certified = tolerances_for(np.array(list(sizes.values())), churn, alpha=alpha)
    width = max(len("group"), *map(len, sizes))
    enough = [name for name, examples in sizes.items() if examples >= wanted]
    lines += [
        f"{100 * tolerance:g} points can be certified for {'all' if len(enough) == len(sizes) else len(enough)} of "
        f"{len(sizes)} groups at a churn of {100 * churn:.4g} %: {wanted} examples each are needed",
        "",
        f"{'group':{width}}  {'examples':>8}  {'can be certified, points':>24}  lacking",
    ]
    for (name, examples), smallest in zip(sizes.items(), certified, strict=True):
        points = "nothing" if examples == 0 else f"{100 * smallest:.2f}"
        lines.append(f"{name:{width}}  {examples:>8}  {points:>24}  {max(wanted - examples, 0) or '-'}")
    click.echo("\n".join(lines))


def _measured(baselines: Sequence[Path], split: str, alpha: float) -> tuple[float, str]:
    """Return the churn between two dense models on a part of the data, and what is to be said of it.

    Raises:
        UserError: no baselines, other data, or models that agree on every example.
    """
    from prunegap.artifacts.baseline import Baseline
    from prunegap.uncertainty import churn_between

    made = [check(path, "baseline").identity.inputs for path in baselines]
    if made[0].get("dataset") != made[1].get("dataset"):
        raise UserError(f"{baselines[0]} and {baselines[1]} are of different data; give those of one data set")
    outcomes = [Baseline.load(path).outcomes for path in baselines]
    if split not in outcomes[0]:
        raise UserError(f"--split {split}: the baselines have no such part{did_you_mean(split, outcomes[0])}")
    churn = churn_between(*(one[split].correct.numpy() for one in outcomes), alpha=alpha)
    if not churn.value:
        raise UserError(f"the two dense models agree on every example of {split}; are they of different seeds?")
    limits = f"{100 * churn.low:.2f} to {100 * churn.high:.2f} % with {100 * (1 - alpha):g} %"
    return churn.value, f"churn between the two dense models: {100 * churn.value:.4g} % ({limits})"


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
