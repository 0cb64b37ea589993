"""``prunegap gate``: the stage's command, which also takes a finished run, and gives an admitted model an alias.

Exit codes: 0 every model passes, 1 inadmissible, 3 undecidable, 2 a wrong call, or something that is not as it was.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from prunegap.artifacts.manifest import MANIFEST, Manifest, check, kind_at, manifest_at, read_manifest
from prunegap.artifacts.verdict import ModelVerdict, Verdict
from prunegap.cli.audit_command import EXIT, WRONG_CALL
from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.stage_command import stage_command
from prunegap.errors import NotAdmittedError, UserError
from prunegap.local import STEPS
from prunegap.stages.gate import gate
from prunegap.tracking.overview import EXPERIMENT

MODEL = "finetuned_model"
TEXT = """Judge whether models may be used, by what they do to each group, and exit as that says.

RUN is a folder of prunegap run, of which every model is judged; EVALUATION the folder of one evaluation. In a run's
folder the models, data and predictions behind it must be as they were, to the byte. Exit status: 0 every model passes,
1 one is inadmissible, 3 one is undecidable, 2 a wrong call.
"""


def gate_command() -> click.Command:
    """Return the command."""
    of_stage = stage_command(gate)
    carry_out: Any = of_stage.callback
    for option in of_stage.params:
        option.required = False
    own: list[click.Parameter] = [
        click.Argument(["results"], nargs=-1, type=click.Path(path_type=Path), metavar="[RUN|EVALUATION]..."),
        click.Option(["--against"], multiple=True, metavar="DIR", help="Artifact that must be behind every verdict."),
        click.Option(
            ["--register"], default="", metavar="NAME", help="Registered model in MLflow to make a version of."
        ),
        click.Option(["--alias"], default="admitted", show_default=True, help="Alias that the version gets."),
    ]

    def command(
        *,
        results: tuple[Path, ...],
        against: tuple[str, ...],
        register: str,
        alias: str,
        **values: Any,  # noqa: ANN401
    ) -> None:
        try:
            given = map(Path, values["evaluations"])
            paths = [*given, *(path for result in results for path in evaluations_in(result))]
            if not paths:
                raise UserError("nothing to judge: name the folder of a run or of an evaluation")
            require_unchanged(paths, list(map(Path, against)))
            values["candidates"] = values["candidates"] or candidates_of(paths, values["rule"])
            enforced = values["enforce"] is not False
            folder = Path(values["verdict"] or "verdict")
            carry_out(**values | {"evaluations": tuple(map(str, paths)), "verdict": str(folder), "enforce": False})
            verdict = Verdict.load(folder)
            _say(verdict, folder)
            if register:
                _register(verdict, paths[0], register, alias)
        except UserError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {line}", err=True)
            sys.exit(EXIT[error.verdict] if isinstance(error, NotAdmittedError) else WRONG_CALL)
        if enforced and len(verdict.passing) < len(verdict.models):
            sys.exit(EXIT[verdict.word])

    return click.Command(gate.name, params=[*own, *of_stage.params], callback=command, help=TEXT)


def evaluations_in(result: Path) -> Iterator[Path]:
    """Yield the folder of an evaluation, or those of a run: of its experiment's cells, not of earlier ones.

    Raises:
        UserError: neither.
    """
    if (result / MANIFEST).is_file():
        yield result
        return
    those, note = sorted((result / STEPS).glob("*/evaluation")), result / EXPERIMENT
    if note.is_file():
        cells = [result / STEPS / cell.evaluate_step / "evaluation" for cell in read_experiment(note).cells]
        those = [path for path in cells if path in those]
    if not those:
        raise UserError(f"{result}: neither a run with evaluations nor an evaluation; prunegap run makes them")
    yield from those


def baselines_in(run: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folder of every baseline of a run, with its manifest."""
    for path in sorted((run / STEPS).glob(f"*/baseline/{MANIFEST}")):
        yield path.parent, read_manifest(path.parent, "baseline")


def candidates_of(evaluations: Sequence[Path], rule: str | None) -> int | None:
    """Return how many models there are to choose among where that is more than are judged: of a run all count.

    Raises:
        UserError: a sequence of models of which some would not be tested.
    """
    around = {path.absolute().parents[1] for path in evaluations}
    in_runs = sum(len(list(evaluations_in(steps.parent))) for steps in around if steps.name == STEPS)
    if in_runs <= len(evaluations):
        return None
    if rule == "fixed_sequence":
        raise UserError(
            f"--rule {rule}: the run has {in_runs} models and {len(evaluations)} would be tested; name the run, so "
            "that none of a sequence is left out"
        )
    return in_runs


def require_unchanged(evaluations: Sequence[Path], against: Sequence[Path]) -> None:
    """Refuse evaluations behind which something else lies now than they were made from.

    Args:
        evaluations: their folders; one in a run's folder has behind it what lies there.
        against: artifacts that must be behind each of them.

    Raises:
        UserError: naming what differs.
    """
    named = {path: check(path, kind_at(path) or MODEL) for path in against}
    checked: dict[Path, Manifest] = {}
    for path in evaluations:
        evaluation = check(path, "evaluation")
        digests = {evaluation.kind: evaluation.digest, **evaluation.identity.behind}
        for other, manifest in named.items():
            if digests.get(manifest.kind) != manifest.digest:
                raise UserError(f"{other}: {path} is not about this {manifest.kind}; give the one that was evaluated")
        steps = path.absolute().parents[1]
        if steps.name != STEPS:
            continue
        there = {manifest_at(one).digest: one for one in steps.glob("*/*") if (one / MANIFEST).is_file()}
        for kind, digest in digests.items():
            if kind == "code":
                continue
            if digest not in there:
                raise UserError(f"{path}: the {kind} that it was made from is no longer in {steps}; prunegap run anew")
            if there[digest] not in checked:
                checked[there[digest]] = check(there[digest], kind)


def _say(verdict: Verdict, folder: Path) -> None:
    from prunegap.report.verdict_text import verdict_lines

    for line in verdict_lines(verdict):
        click.echo(line)
    click.echo(f"Verdict: {folder}")


def _register(verdict: Verdict, evaluation: Path, name: str, alias: str) -> None:
    """Give the sparsest admitted model the alias.

    Raises:
        UserError: no model is admissible, or MLflow refuses.
    """
    from prunegap.report.verdict_text import best, verdict_lines
    from prunegap.tracking.admitted_version import admit_version
    from prunegap.tracking.session import upload_uri

    model: ModelVerdict | None = best(verdict)
    if model is None:
        shut = list(verdict_lines(verdict))
        refusal = f"--register {name}: no model is admissible, none gets the alias {alias}"
        raise NotAdmittedError("\n".join([refusal, *shut]), verdict.word)
    uri = upload_uri(evaluation.absolute().parents[2], None)
    tags = {"prunegap.verdict": model.audit.verdict, "prunegap.tolerance": f"{model.audit.tolerance:g}"}
    version = admit_version(uri, digest=model.made_from[MODEL], name=name, alias=alias, tags=tags)
    click.echo(f"{model.name} is version {version} of {name} in MLflow, with the alias {alias}")
