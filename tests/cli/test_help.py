"""Truth: the stages' own parameter models and ports; every one of them must be a flag, told in full."""

import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pipeline.program import Program

from prunegap.pipeline import STAGES
from prunegap.stages.contract import Stage

SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def squeezed(text: str) -> str:
    """Text without white space: where help is wrapped, words and hyphens are torn apart."""
    return re.sub(r"\s+", "", text)


def told(text: str, flag: str) -> str:
    """What the help says of one flag, up to the next."""
    found = re.search(rf"\n  {flag}[ /].*?(?=\n  -|\Z)", text, re.DOTALL)
    assert found is not None, flag
    return squeezed(found[0])


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_parameter_is_a_flag_with_description_default_and_bounds(program: Program, stage: Stage) -> None:
    ended = program(stage.name, "--help")
    assert (ended.code, ended.err) == (0, "")
    for name, field in stage.params_type.model_fields.items():
        text = told(ended.out, "--" + name.replace("_", "-"))
        assert squeezed(str(field.description)) in text
        default = field.default
        shown = ",".join(map(str, default)) or "none" if isinstance(default, tuple) else str(default) or "none"
        assert squeezed(f"[default: {shown}]") in text
        bounds = [f"{sign} {getattr(rule, key)}" for rule in field.metadata for key, sign in SIGNS.items()
                  if hasattr(rule, key)]  # fmt: skip
        assert not bounds or squeezed(f"[{', '.join(bounds)}]") in text
        if typing.get_origin(field.annotation) is typing.Literal:
            assert all(str(choice) in text for choice in typing.get_args(field.annotation))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_artifact_is_a_flag_that_names_its_kind(program: Program, stage: Stage) -> None:
    text = program(stage.name, "--help").out
    for ports, use in ((stage.inputs, "toread"), (stage.outputs, "towrite")):
        for port in ports:
            said = told(text, "--" + port.name.replace("_", "-"))
            assert port.kind in said
            assert use in said
            assert ("onceforeach" in said) == port.many


def test_the_help_lists_the_commands_and_shows_how_to_begin(program: Program) -> None:
    ended = program("--help")
    assert ended.code == 0
    for command in ("run", "show", "ui", "upload", *(stage.name for stage in STAGES)):
        assert re.search(rf"^  {command}  +[A-Z]", ended.out, re.MULTILINE), command
    assert "prunegap run experiments/digits.yaml" in ended.out


def test_the_help_of_run_explains_its_flags(program: Program) -> None:
    text = program("run", "--help").out
    for flag in ("--workspace", "--set", "--from", "--tracking-uri", "--no-tracking"):
        assert len(told(text, flag)) > len(flag) + 10
    assert "goes on where it stood" in text


def test_a_mistyped_flag_or_command_is_met_with_the_nearest(program: Program, tmp_path: Path) -> None:
    flag, command = program("prune", "--sparsty", 0.9), program("prun")
    assert (flag.code, command.code) == (2, 2)
    assert "'--sparsity'" in flag.err
    assert "'prune'" in command.err
    assert not list(tmp_path.glob("[!.]*"))


def test_a_missing_flag_is_named(program: Program) -> None:
    ended = program("prune", "--dense-model", "x", "--sparse-model", "y")
    assert (ended.code, ended.err.splitlines()[-1]) == (2, "Error: Missing option '--dataset'.")


def test_the_module_runs_as_the_command_does_and_loads_nothing_it_does_not_need() -> None:
    code = "import sys, prunegap.cli.entry; print(sorted({'sklearn', 'mlflow', 'matplotlib', 'boto3', 'pyarrow', "
    code += "'torchvision', 'PIL', 'scipy'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
    shown = subprocess.run(
        [sys.executable, "-m", "prunegap", "--version"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert re.fullmatch(r"prunegap, version \d+\.\d+\.\d+\n", shown.stdout)
