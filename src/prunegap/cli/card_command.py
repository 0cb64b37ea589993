"""``prunegap card``: what goes with a model that was judged: model card, page, evidence by clause."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from prunegap import __version__
from prunegap.artifacts.manifest import check, clear_disk_errors, write_json
from prunegap.artifacts.verdict import ModelVerdict, Verdict
from prunegap.errors import UserError, did_you_mean
from prunegap.local import artifact

if TYPE_CHECKING:
    from prunegap.report.model_card import CardFacts


@click.command("card")
@click.argument("verdict", type=click.Path(path_type=Path), metavar="RUN|VERDICT")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@click.option("--model", "name", default="", help="Name of the model.  [default: the one that may ship]")
@click.option("--license", "license_name", default="", help="License of the model, as the Hugging Face hub lists them.")
def card_command(*, verdict: Path, output: Path, name: str, license_name: str) -> None:
    """Write what goes with a judged model, from the folder of a run or of a verdict.

    README.md (a model card with metadata, as the Hugging Face hub takes it), model_card.md (without), audit.html (the
    page for who decides) and evidence.json (figures by the clauses of common frameworks that they serve). What only a
    person can know is marked as not filled in.
    """
    from prunegap.report.audit_html import audit_page
    from prunegap.report.frameworks import evidence
    from prunegap.report.hugging_face import hugging_face_card
    from prunegap.report.model_card import markdown_card

    in_run = artifact(verdict, "gate", "verdict")
    folder = in_run if in_run.is_dir() else verdict
    check(folder, "verdict")
    judged = Verdict.load(folder)
    model = _chosen(judged, name)
    facts, audit = _facts(judged, model, license_name), model.audit
    page = audit_page([audit], code_version=__version__, accept_undecidable=judged.accepts_undecidable)
    texts = {
        "README.md": hugging_face_card(facts, audit),
        "model_card.md": markdown_card(facts, audit),
        "audit.html": page,
    }
    with clear_disk_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (output / file).write_text(text, encoding="utf-8")
        write_json(output / "evidence.json", evidence(facts, audit))
    click.echo(f"{model.name} ({audit.verdict}): {', '.join([*texts, 'evidence.json'])} in {output}")


def _chosen(verdict: Verdict, name: str) -> ModelVerdict:
    from prunegap.report.verdict_text import best

    by_name = {one.name: one for one in verdict.models}
    if name:
        if name not in by_name:
            raise UserError(f"--model {name}: the verdict is on no such model{did_you_mean(name, by_name)}")
        return by_name[name]
    model = verdict.models[0] if len(verdict.models) == 1 else best(verdict)
    if model is None:
        raise UserError(f"no model is admissible; name one with --model: {', '.join(by_name)}")
    return model


def _facts(verdict: Verdict, model: ModelVerdict, license_name: str) -> "CardFacts":
    from prunegap.report.model_card import CardFacts

    return CardFacts(
        model=model.network,
        method=model.method,
        summary=model.summary,
        dataset=model.dataset,
        target=model.target,
        split=verdict.split,
        version=__version__,
        seed=model.seed,
        sparsity=model.sparsity,
        achieved_sparsity=model.achieved_sparsity,
        digests=model.made_from,
        license=license_name,
    )
