"""Services of a run against the stages themselves: a command line is read back by the command that will read it."""

import random
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from pipeline.workspaces import experiment as small
from pipeline.workspaces import write_experiment
from prunegap_components.compose import (
    CLOSING,
    OPENING,
    ComposeRunner,
    compose_file,
    compose_services,
    main,
    parameter_flags,
)

from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.explain import flag
from prunegap.cli.stage_command import stage_command, validated
from prunegap.errors import UserError
from prunegap.pipeline import STAGES, Experiment, prune_and_compare
from prunegap.stages.params import StageParams

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
BY_NAME = {stage.name: stage for stage in STAGES}
COMPLETED = {"condition": "service_completed_successfully"}


class Remembering(ComposeRunner):
    """Keeps what the wiring asked for beside what became of it."""

    def __init__(self) -> None:
        super().__init__(Path("runs/${PRUNEGAP_PIPELINE_RUN:-x}"))
        self.asked = {}

    def run(self, step, stage, params, inputs, tags):
        self.asked[step] = (params, dict(tags))
        return super().run(step, stage, params, inputs, tags)


def read_back(command: list[str]) -> dict:
    stage, *words = [word.replace("$$", "$") for word in command]
    return dict(stage_command(BY_NAME[stage]).make_context(stage, words).params)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_command_line_says_the_parameters_tags_and_name_of_its_step(path: Path):
    runner = Remembering()
    prune_and_compare(read_experiment(path), runner)
    assert len(runner.steps) > 5
    for name, step in runner.steps.items():
        params, tags = runner.asked[name]
        said = read_back(list(step.command))
        assert (said.pop("step"), said.pop("unless_done")) == (name, True)
        assert dict(pair.split("=", 1) for pair in said.pop("tag")) == tags
        given = {key: said[key] for key in type(params).model_fields if said[key] is not None}
        assert validated(BY_NAME[step.command[0]], given, flag) == params


def test_awkward_values_survive_the_command_line():
    runner = Remembering()
    odd = small(
        prepare_data={"group_by": ["a b", "$HOME"], "salt": "-x=$$1"},
        prune={"milestones": [], "flip": True, "channels_last": True},
    )
    prune_and_compare(Experiment.model_validate(odd), runner)
    data = read_back(list(runner.steps["prepare_data"].command))
    assert (data["group_by"], data["salt"]) == (["a b", "$HOME"], "-x=$$1")
    pruned = read_back(list(runner.steps["prune-sparsity80-seed0"].command))
    assert (pruned["milestones"], pruned["flip"], pruned["channels_last"]) == ([], True, True)


def test_what_is_on_by_default_is_switched_off_by_its_own_flag():
    class Switch(StageParams):
        keep_all: bool = True

    assert list(parameter_flags(Switch(keep_all=False))) == ["--no-keep-all"]
    assert list(parameter_flags(Switch())) == []


@pytest.mark.parametrize("entry", ["a,b", " a", ""])
def test_a_list_entry_that_a_flag_would_take_apart_is_refused(entry: str):
    experiment = Experiment.model_validate(small(prepare_data={"group_by": [entry]}))
    with pytest.raises(UserError, match=f"group_by: entry {entry!r} cannot be a flag"):
        compose_services(experiment)


def test_an_artifact_is_read_where_it_was_written_and_only_after_it():
    services = compose_services(Experiment.model_validate(small(seeds=[0, 1], dense_seeds="per_seed")))
    written = {}
    for name, service in services.items():
        if name in {OPENING, CLOSING}:
            continue
        stage = BY_NAME[service["command"][0]]
        said = read_back(service["command"])
        for port in stage.inputs:
            for path in said[port.name] if port.many else [said[port.name]]:
                assert service["depends_on"][written[path]] == COMPLETED
        for port in stage.outputs:
            assert said[port.name] == f"runs/${{PRUNEGAP_PIPELINE_RUN:-tiny}}/steps/{name}/{port.name}"
            written[said[port.name]] = name
    assert len(read_back(services["compare"]["command"])["evaluations"]) == 4
    assert services["prepare_data"]["depends_on"][OPENING] == COMPLETED
    assert services[CLOSING]["depends_on"]["compare"] == COMPLETED
    waiting = [name for name, service in services.items() if "mlflow" in service["depends_on"]]
    assert waiting == [OPENING], "an MLflow that falls silent while steps run ends no run"
    assert services[OPENING]["depends_on"] == {"mlflow": {"condition": "service_healthy"}}


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_never_more_steps_at_a_time_than_lanes_and_as_many_as_that(lanes: int):
    services = compose_services(read_experiment(ROOT / "experiments/digits.yaml"), lanes)
    most = max(_most_at_a_time(services, random.Random(seed)) for seed in range(5))
    assert most == lanes


def _most_at_a_time(services: dict, chance: random.Random) -> int:
    """Carry the services out on a clock, each started as soon as what it waits for is done."""
    waiting, running, done, most = dict(services), {}, {"mlflow"}, 0
    while waiting or running:
        for name in [name for name, service in waiting.items() if set(service["depends_on"]) <= done]:
            del waiting[name]
            running[name] = chance.random()
        most = max(most, len(running))
        first = min(running, key=lambda name: running[name])
        elapsed = running.pop(first)
        running = {name: left - elapsed for name, left in running.items()}
        done.add(first)
    return most


def test_methods_of_a_run_are_finetuned_side_by_side():
    services = compose_services(Experiment.model_validate(small()))
    first, second = [name for name in services if name.startswith("finetune-")]
    assert second not in services[first]["depends_on"]
    assert first not in services[second]["depends_on"]


def test_the_committed_file_is_what_is_generated_and_no_other_lanes():
    committed = ROOT / "docker/compose.digits.yaml"
    asked = Path("experiments/digits.yaml"), Path("docker/compose.digits.yaml")
    assert committed.read_text() == compose_file(*asked)
    assert compose_file(*asked, 3).splitlines()[0].endswith("--lanes 3")


def test_a_bad_experiment_is_one_line_and_leaves_no_file(tmp_path: Path):
    path = write_experiment(tmp_path, prune={"sparsitty": 1})
    ended = CliRunner().invoke(main, [str(path), "--output", str(tmp_path / "compose.yaml")])
    assert ended.exit_code == 1
    assert ended.output.splitlines() == [f"Error: {path}: prune.sparsitty: unknown key; did you mean 'sparsity'?"]
    assert not (tmp_path / "compose.yaml").exists()


def test_without_an_output_the_file_is_printed(tmp_path: Path):
    path = write_experiment(tmp_path)
    ended = CliRunner().invoke(main, [str(path), "--lanes", "1"])
    assert (ended.exit_code, list(yaml.safe_load(ended.output)["services"])[-1]) == (0, CLOSING)
