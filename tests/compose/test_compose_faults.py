"""What goes wrong around a run, made to happen: run.sh names the service at fault and why, below the end of its log."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose.project import Project, generated, running
from prunegap_pipelines.images import ImageLock

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(7200)]
PROGRESS = re.compile(r"dense model: epoch \d+ of 100000, about .* left")
LAYERS = re.compile(r"info: pruning this model: dense stay .* \(input layer\); .* \(classifier\)")
GOES_ON = re.compile(r"info: goes on from its checkpoint at epoch (\d+)")


@pytest.fixture(scope="module")
def project(images: ImageLock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with running(images, tmp_path_factory.mktemp("faults")) as project:
        yield project


def ended(run: subprocess.Popen[str] | subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was said by a run that has to fail."""
    said = run.communicate()[1] if isinstance(run, subprocess.Popen) else run.stderr
    assert run.returncode == 1, said
    return said.splitlines()


def log_once(project: Project, service: str, run: subprocess.Popen[str], *awaited: re.Pattern[str]) -> list[str]:
    """Return a service's log as soon as it holds what is awaited."""
    while True:
        lines = project.log(service) if project.container(service) else []
        if all(any(pattern.fullmatch(line) for line in lines) for pattern in awaited):
            return lines
        assert run.poll() is None, run.communicate()
        time.sleep(1)


def test_a_step_that_needs_more_memory_than_it_may_have_is_said_to_be_killed_for_it(project: Project):
    file = generated(project.experiments / "oom", {"prepare_data": {"mem_limit": "40m"}}, name="oom")
    assert ended(project.run(file))[-1] == (
        "prepare_data: killed (exit code 137) for using more memory than it may: give it more, or lower batch_size"
    )


def test_a_log_tells_layers_and_progress_and_a_killed_or_stopped_step_says_so_and_goes_on(project: Project):
    file = generated(project.experiments / "endless", name="endless", acquire_dense={"epochs": 100_000})
    run = project.start(file)
    log = log_once(project, "acquire_dense", run, PROGRESS)
    assert any(map(LAYERS.fullmatch, log))
    assert len(log) < 50, "not a line a batch"
    assert "\r" not in "".join(log)
    subprocess.run(["docker", "kill", project.container("acquire_dense")], check=True, capture_output=True)
    *before, last = ended(run)
    assert last == (
        "acquire_dense: killed (exit code 137), from outside or because this machine ran out of memory (dmesg says)"
    )
    assert any(re.fullmatch(rf"acquire_dense \| {PROGRESS.pattern}", line) for line in before)
    run = project.start(file)
    log = log_once(project, "acquire_dense", run, GOES_ON)
    assert [int(found[1]) > 0 for line in log if (found := GOES_ON.fullmatch(line))] == [True]
    assert project.compose("stop", "--timeout", "900", "acquire_dense", files=(file,)).returncode == 0
    assert ended(run)[-1] == "acquire_dense: stopped (exit code 143)"


@pytest.mark.parametrize(
    ("mlflow", "state"),
    [
        ({"entrypoint": ["sh", "-c", "echo the disk is on fire; exit 3"]}, r".*last exit code 3, restarts: [2-9]"),
        (
            {
                "entrypoint": ["sh", "-c", "echo the disk is on fire; sleep 100000"],
                "healthcheck": {"start_period": "5s"},
            },
            "running (starting|unhealthy), last exit code 0, restarts: 0",
        ),
    ],
    ids=["ends over and over", "never answers"],
)
def test_a_server_that_never_answers_is_named_with_its_log(project: Project, mlflow: dict[str, object], state: str):
    file = generated(project.experiments / "down", {"mlflow": mlflow}, name="down")
    *before, last = ended(project.run(file))
    assert re.fullmatch(rf"mlflow: does not answer \({state}\)", last)
    assert "mlflow | the disk is on fire" in before
    assert not project.container("prepare_data") or "down" not in "".join(project.log("prepare_data"))


def test_a_port_that_is_taken_is_named(project: Project, tmp_path: Path):
    taken = {"mlflow": {"ports": [f"127.0.0.1:{project.objectstore_port}:5000"]}}
    file = generated(project.experiments / "port", taken, name="port")
    assert re.match(r"mlflow: .*port is already allocated", ended(project.run(file))[-1])
