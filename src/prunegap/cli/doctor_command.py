"""``prunegap doctor``: before anything is pruned, which groups of a dense model are at risk, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from prunegap.artifacts.manifest import MANIFEST, check, read_manifest, write_json
from prunegap.cli.gate_command import baselines_in, evaluations_in
from prunegap.cli.terminal import Terminal
from prunegap.errors import UserError
from prunegap.local import STEPS, artifact
from prunegap.progress import shown_by

if TYPE_CHECKING:
    from prunegap.artifacts.dataset import Dataset
    from prunegap.artifacts.evaluation import Evaluation
    from prunegap.artifacts.trained_models import DenseModel
    from prunegap.report.group_risk import Diagnosis
    from prunegap.stages.training_params import ComputeParams

HELD_OUT = ("validation", "test")
ALPHA = 0.05


@dataclass(frozen=True)
class Patient:
    """A dense model on disk, its data set, and evaluations of what was pruned from it."""

    model: Path
    dataset: Path
    evaluations: tuple[Path, ...] = ()


@click.command("doctor")
@click.argument("place", type=click.Path(path_type=Path), metavar="RUN|DENSE_MODEL")
@click.option("--dataset", type=click.Path(path_type=Path), help="Dataset artifact, with a DENSE_MODEL.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Seed of a dense model of the run.  [default: first]")
@click.option("--examples", default=512, show_default=True, help="Examples a group at most for the eigenvalues.")
@click.option("--no-hessian", is_flag=True, help="Leave the eigenvalues out, which take by far the most time.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Device.  [default: auto]")
@click.option("--threads", default=0, help="CPU threads; 0 leaves it to torch.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures to a file.")
def doctor_command(
    *,
    place: Path,
    dataset: Path | None,
    seeds: tuple[int, ...],
    examples: int,
    no_hessian: bool,
    device: str,
    threads: int,
    json_file: Path | None,
) -> None:
    """Say before any pruning which groups are at risk, and why, from the dense model alone.

    Per group: accuracy on train and on held-out examples, what of it is memorised, gradient norm, largest eigenvalue
    of the Hessian, closeness to the decision boundary (Tran et al. 2022). It ranks groups and predicts no loss; where
    the run has pruned models already, it says how well the ranking agrees with what they did.
    """
    from prunegap.report.group_risk_text import shown
    from prunegap.report.written import check_places
    from prunegap.stages.training_params import ComputeParams

    if examples < 1:
        raise UserError(f"--examples: must be >= 1, got {examples}; --no-hessian leaves the eigenvalues out")
    if threads < 0:
        raise UserError(f"--threads: must be >= 0, got {threads}")
    if json_file:
        check_places({"--json": json_file}, {})
    patients = _patients(place, dataset)
    chosen = _chosen(patients, seeds, place)
    params = ComputeParams.model_validate({"device": device, "threads": threads})
    terminal = Terminal(Console(stderr=True))
    found: list[Diagnosis] = []
    for patient in chosen.values():
        with shown_by(terminal.progress):
            one = _diagnosis(patient, params, 0 if no_hessian else examples)
        found.append(one)
        click.echo("\n".join([*shown(one), ""]))
    if not seeds and len(patients) > 1:
        others = ", ".join(map(str, list(patients)[1:]))
        click.echo(f"This is the first of {len(patients)} dense models; --seed takes one of seed {others}.")
    if json_file:
        write_json(json_file, {"models": [one.plain() for one in found]})


def _patients(place: Path, dataset: Path | None) -> dict[int, Patient]:
    """Return the dense models that lie at a place, by their seed, those of small seeds first."""
    if (place / MANIFEST).is_file():
        if dataset is None:
            raise UserError(f"{place}: a model alone says nothing of groups; name its data set with --dataset")
        return _by_seed([Patient(place, dataset)])
    if dataset is not None:
        raise UserError("--dataset goes with a dense model; a run has its own")
    models = sorted(path.parent for path in (place / STEPS).glob(f"acquire_dense*/dense_model/{MANIFEST}"))
    if not models:
        raise UserError(f"{place}: no dense model there; prunegap run makes one, or name a dense_model artifact")
    data = artifact(place, "prepare_data", "dataset")
    digest = read_manifest(data, "dataset").digest
    behind = _evaluations_behind(place)
    patients: list[Patient] = []
    for model in models:
        manifest = read_manifest(model, "dense_model")
        if manifest.identity.inputs.get("dataset") != digest:
            raise UserError(f"{model}: was made from another data set than lies in {data}; prunegap run anew")
        patients.append(Patient(model, data, behind.get(manifest.digest, ())))
    return _by_seed(patients)


def _by_seed(patients: Sequence[Patient]) -> dict[int, Patient]:
    found: dict[int, Patient] = {}
    for one in patients:
        parameters = read_manifest(one.model, "dense_model").identity.parameters
        found[int(parameters.get("seed", 0))] = one
    return dict(sorted(found.items()))


def _evaluations_behind(run: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return the evaluations of a run by the digest of the dense model that they compare with."""
    if not any((run / STEPS).glob("*/evaluation")):
        return {}
    dense = {one.digest: one.identity.inputs["dense_model"] for _, one in baselines_in(run)}
    found: dict[str, tuple[Path, ...]] = {}
    for path in evaluations_in(run):
        model = dense.get(read_manifest(path, "evaluation").identity.inputs.get("baseline", ""))
        if model is not None:
            found[model] = (*found.get(model, ()), path)
    return found


def _chosen(patients: Mapping[int, Patient], seeds: Sequence[int], place: Path) -> Mapping[int, Patient]:
    if not seeds:
        return dict(list(patients.items())[:1])
    for seed in seeds:
        if seed not in patients:
            there = ", ".join(map(str, patients))
            raise UserError(f"--seed {seed}: no dense model of it in {place}; there are those of {there}")
    return {seed: patients[seed] for seed in seeds}


def _diagnosis(patient: Patient, params: ComputeParams, hessian_examples: int) -> Diagnosis:
    from prunegap.artifacts.dataset import Dataset
    from prunegap.artifacts.evaluation import Evaluation
    from prunegap.artifacts.trained_models import DenseModel

    for path, kind in ((patient.model, "dense_model"), (patient.dataset, "dataset")):
        check(path, kind)
    evaluations = [Evaluation.load(path) for path in patient.evaluations if check(path, "evaluation")]
    return diagnosis(
        DenseModel.load(patient.model), Dataset.load(patient.dataset), params, hessian_examples, evaluations
    )


def diagnosis(
    dense: DenseModel,
    dataset: Dataset,
    params: ComputeParams,
    hessian_examples: int,
    evaluations: Sequence[Evaluation] = (),
) -> Diagnosis:
    """Return the diagnosis of a dense model.

    Args:
        dense: the model.
        dataset: whose groups.
        params: where it runs.
        hessian_examples: of a group at most; 0: no eigenvalues.
        evaluations: of models that were pruned from it.

    Raises:
        UserError: the model takes other images or classes, or as :func:`prunegap.diagnostics.diagnose_groups`.
    """
    from prunegap.artifacts.model import build_stored
    from prunegap.diagnostics import diagnose_groups
    from prunegap.report.group_risk import Diagnosis, group_risks, measured_of
    from prunegap.stages.checks import seen_by
    from prunegap.training.inference import outcomes_of

    spec, device = dense.network.spec, params.set_up()
    data = seen_by(spec, dataset.data)
    model, images = build_stored(dense.network).to(device), params.image_format(data)
    train = data.splits["train"].to(device)
    found = diagnose_groups(model, train, images, data.group_names, hessian_examples=hessian_examples)
    split = next((name for name in HELD_OUT if name in data.splits), "")
    held_out = None
    if split:
        there = data.splits[split].to(device)
        held_out = outcomes_of(model, there, images, batch_size=params.evaluation_batch_size), there
    groups = group_risks(data.group_names, found, held_out, ALPHA)
    return Diagnosis(
        spec.name, dense.trained_by.seed, split, ALPHA, groups, measured_of(groups, evaluations) if evaluations else ()
    )
