"""Truth: the record of the same run undisturbed. An outage at any call, mended in any way, leaves an equal one.

A real MLflow server stands behind a proxy that answers 503 or loses answers (outage.py), or is killed.
"""

# ruff: noqa: PLR0917 - fixtures are positional

import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking.outage import LOSE, REFUSE, Proxy, away, everything_passes, proxied
from tracking.record import differences, record
from tracking.sealed import Figures, Judgement, Network, Points, seal_and_tell, train

from prunegap.tracking.session import upload
from prunegap.tracking.stage import complete_step, stage_tracker
from prunegap.tracking.tracked_step import Step
from prunegap.tracking.unattended_run import close_pipeline_run, open_pipeline_run

CURVE: Points = [(epoch, {"loss": 1 / (epoch + 1), "group_accuracy/g (x)": epoch / 10}) for epoch in range(5)]
NETWORK = Network(points=[(4, {"accuracy": 0.75})])
JUDGEMENT = Judgement([(0, {"max_psi": 0.25, "loss": 0.5})])
TAGS = {name: {"prunegap.stage": name, "prunegap.seed": "0"} for name in ("train", "evaluate")}


@pytest.fixture(scope="module")
def proxy(server) -> Iterator[Proxy]:
    with proxied(server.uri) as made:
        yield made


@pytest.fixture
def containers(monkeypatch, proxy, tmp_path):
    """Return a function that makes the environment that of one run's containers, through the proxy."""

    def of(run: str) -> str:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"test-{tmp_path.name}")
        monkeypatch.setenv("PRUNEGAP_PIPELINE_RUN", run)
        return f"test-{tmp_path.name}"

    return of


def places(workspace: Path) -> dict[str, dict[str, Path]]:
    folder = workspace / "steps"
    return {
        "train": {name: folder / "train" / name for name in ("history", "network")},
        "evaluate": {"judgement": folder / "evaluate" / "judgement"},
    }


def train_and_evaluate(workspace: Path, tracked) -> None:
    """Carry out a step that trains and one that judges, each as ``tracked(name, folder, outputs)`` tells it."""
    outputs = places(workspace)
    with tracked("train", outputs["train"]) as tracker:
        train(tracker, CURVE)
        seal_and_tell(tracker, outputs["train"]["history"], Figures(CURVE))
        seal_and_tell(tracker, outputs["train"]["network"], NETWORK)
    with tracked("evaluate", outputs["evaluate"]) as tracker:
        seal_and_tell(
            tracker, outputs["evaluate"]["judgement"], JUDGEMENT, {"test_network": outputs["train"]["network"]}
        )


def in_containers(workspace: Path, said: list[str]) -> None:
    def tracked(name: str, outputs: dict[str, Path]):
        folder = next(iter(outputs.values())).parent
        return stage_tracker(folder, name, {"lr": 0.1}, TAGS[name], outputs=outputs, warn=said.append)

    train_and_evaluate(workspace, tracked)


def found_done(workspace: Path) -> None:
    """Start the containers again: every step is up to date."""
    for name, outputs in places(workspace).items():
        folder = workspace / "steps" / name
        step = Step.beginning(name, folder, {"lr": 0.1}, TAGS[name], outputs)
        complete_step(folder, step, [places(workspace)["train"]["network"]])


MENDS = {
    "close-run": lambda _: None,
    "up to date": found_done,
    "upload": lambda workspace: upload(workspace, None),
}


@pytest.fixture
def undisturbed(containers, tmp_path, proxy):
    """Return the record of the run without an outage, and how many calls it made."""
    experiment = containers("undisturbed")
    proxy.begin(everything_passes)
    workspace = tmp_path / "undisturbed"
    open_pipeline_run(workspace)
    in_containers(workspace, [])
    assert close_pipeline_run("FINISHED", workspace=workspace) == "MLflow's run of 'undisturbed' is FINISHED"
    return record(proxy.uri, experiment, "undisturbed"), proxy.calls


@pytest.mark.slow
@pytest.mark.parametrize("how", [REFUSE, LOSE])
def test_containers_whose_server_is_away_at_any_moment_leave_the_record_of_an_undisturbed_run(
    containers, undisturbed, proxy, tmp_path, how, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a call whose answer was lost is made twice
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    (expected, calls), chance = undisturbed, random.Random(how)
    for number, (name, mend) in enumerate(list(MENDS.items()) * 4):
        first = chance.randrange(calls)
        last = chance.choice([first + 1, first + 2, first + 8, math.inf])
        experiment, workspace = containers(f"run-{number}"), tmp_path / f"run-{number}"
        proxy.begin(away(first, last, how))
        open_pipeline_run(workspace)
        in_containers(workspace, [])
        proxy.begin(everything_passes)
        mend(workspace)
        said = close_pipeline_run("FINISHED", workspace=workspace)
        assert said.startswith(f"MLflow's run of 'run-{number}' is FINISHED")
        lines = differences(expected, record(proxy.uri, experiment, f"run-{number}"))
        assert lines == [], (name, first, last)
