"""Truth: a run that nobody stopped. Killed anywhere, the same command ends with the same bits and figures."""

import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pipeline.program import Ended, Program, Running
from pipeline.workspaces import copy_of, figures, half_written, snapshot, weights, write_experiment

from prunegap.artifacts.model import load_model
from prunegap.errors import UserError
from prunegap.training.checkpoints import load_checkpoint, save_checkpoint

CELL = "sparsity80-seed0"
FIRST_OUTPUT = {
    "prepare_data": "dataset",
    "acquire_dense": "dense_model",
    f"prune-{CELL}": "sparse_model",
    f"finetune-{CELL}-ceag": "finetuned_model",
    f"evaluate-{CELL}-ceag": "evaluation",
    "gate": "verdict",
    "compare": "comparison",
}
ORDER = [
    "prepare_data",
    "acquire_dense",
    "measure_baseline",
    f"prune-{CELL}",
    *(f"{stage}-{CELL}-{method}" for method in ("nft_es", "ceag") for stage in ("finetune", "evaluate")),
    "gate",
    "compare",
]
STOPPED = "stopped; the same command goes on where it stood"


def before_step(finished: Path, target: Path, step: str) -> Path:
    """A workspace in which every step before ``step`` is done."""
    if target.exists():
        shutil.rmtree(target)
    copy_of(finished, target)
    for later in ORDER[ORDER.index(step) :]:
        shutil.rmtree(target / "steps" / later)
    return target


def checkpoint_of(workspace: Path, step: str) -> Path:
    return workspace / "steps" / step / f"{FIRST_OUTPUT[step]}.checkpoint"


def epoch_in(checkpoint: Path) -> int:
    """The epoch a checkpoint stands at; 0 without one."""
    try:
        return load_checkpoint(checkpoint)["state"]["epoch"]
    except UserError:
        return 0


def moment(workspace: Path, step: str, epoch: int) -> Callable[[], bool]:
    """Whether ``step`` is at work and has a checkpoint of ``epoch``, if that is not 0."""
    folder, partial = workspace / "steps" / step, f".{FIRST_OUTPUT[step]}.*.partial"
    checkpoint = checkpoint_of(workspace, step)
    return lambda: any(folder.glob(partial)) and (epoch == 0 or epoch_in(checkpoint) >= epoch)


def stopped_in(
    program: Program, finished: Path, experiment: Path, workspace: Path, *, step: str, epoch: int, by: int
) -> tuple[Ended, dict[str, Any]]:
    """Stop a run in the midst of ``step``; a step that is over too soon to be met is tried again."""
    for _ in range(200):
        before_step(finished, workspace, step)
        before = snapshot(workspace / "steps")
        running = program.start("run", experiment, "--workspace", workspace, "--no-tracking")
        came = moment(workspace, step, epoch)
        while running.process.is_alive() and not came():
            time.sleep(0.001)
        ended = running.end(by)
        if ended.code != 0 and not (workspace / "steps" / step / FIRST_OUTPUT[step]).exists():
            return ended, before
    pytest.fail(f"{step} was over too soon 200 times")


@pytest.mark.parametrize(
    ("step", "epoch"),
    [
        ("prepare_data", 0),
        ("acquire_dense", 0),
        ("acquire_dense", 2),
        (f"prune-{CELL}", 0),
        (f"prune-{CELL}", 2),
        (f"finetune-{CELL}-ceag", 0),
        (f"finetune-{CELL}-ceag", 5),
        (f"evaluate-{CELL}-ceag", 0),
        ("gate", 0),
        ("compare", 0),
    ],
)
def test_a_run_killed_in_any_stage_goes_on_to_the_same_bits(
    *, program: Program, finished: Path, experiment: Path, tmp_path: Path, step: str, epoch: int
) -> None:
    workspace = tmp_path / "run"
    killed, before = stopped_in(program, finished, experiment, workspace, step=step, epoch=epoch, by=signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert epoch_in(checkpoint_of(workspace, step)) >= epoch
    ended = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert ended.code == 0, ended.err
    assert ended.steps("up to date") == ORDER[: ORDER.index(step)]
    assert ended.steps("done") == ORDER[ORDER.index(step) :]
    assert weights(workspace) == weights(finished)
    assert figures(workspace) == figures(finished)
    assert {path: was for path, was in snapshot(workspace / "steps").items() if path in before} == before
    assert half_written(workspace) == []


@pytest.mark.parametrize(
    ("step", "epoch", "by", "code"),
    [("acquire_dense", 1, signal.SIGINT, 130), (f"finetune-{CELL}-ceag", 4, signal.SIGTERM, 143)],
)
def test_a_stopped_run_says_so_in_one_line_and_goes_on(
    *, program: Program, finished: Path, experiment: Path, tmp_path: Path, step: str, epoch: int, by: int, code: int
) -> None:
    workspace = tmp_path / "run"
    ended, _ = stopped_in(program, finished, experiment, workspace, step=step, epoch=epoch, by=by)
    assert ended.code == code
    said = [
        line for line in ended.err.splitlines() if not (line.startswith(("✓", "·", "info: ")) or line.endswith(" left"))
    ]
    assert said == [STOPPED]
    assert epoch_in(checkpoint_of(workspace, step)) >= epoch
    assert [path for path in half_written(workspace) if not path.endswith(".checkpoint")] == []
    assert program("run", experiment, "--workspace", workspace, "--no-tracking").code == 0
    assert (weights(workspace), figures(workspace)) == (weights(finished), figures(finished))


def test_a_stopped_redoing_run_says_where_the_same_command_begins(
    program: Program, workspace: Path, experiment: Path, finished: Path
) -> None:
    again = ("run", experiment, "--workspace", workspace, "--no-tracking", "--from", "acquire_dense")
    came = moment(workspace, "acquire_dense", 1)
    while True:
        running = program.start(*again)
        while running.process.is_alive() and not came():
            time.sleep(0.001)
        ended = running.end(signal.SIGINT)
        if ended.code != 0:  # else it was over before it was met, and has left what it found
            break
    assert ended.code == 130
    assert ended.err.splitlines()[-1].startswith("stopped; finished artifacts are intact; the same command begins")
    assert weights(workspace) == weights(finished)


@pytest.mark.parametrize(
    ("step", "epoch", "until"),
    [("acquire_dense", 1, 3), (f"prune-{CELL}", 1, 3), (f"finetune-{CELL}-ceag", 4, 6)],
)
def test_a_stage_goes_on_from_its_checkpoint_and_not_from_its_beginning(
    *, program: Program, finished: Path, experiment: Path, tmp_path: Path, step: str, epoch: int, until: int
) -> None:
    """A checkpoint moved on to the last epoch leaves nothing to train: its weights are then the result."""
    workspace = tmp_path / "run"
    stopped_in(program, finished, experiment, workspace, step=step, epoch=epoch, by=signal.SIGKILL)
    checkpoint = checkpoint_of(workspace, step)
    tree = load_checkpoint(checkpoint)
    tree["state"]["epoch"] = until
    save_checkpoint(checkpoint, tree)
    running = program.start("run", experiment, "--workspace", workspace, "--no-tracking")
    output = workspace / "steps" / step / FIRST_OUTPUT[step]
    running.wait_until((output / "manifest.json").exists)
    running.end(signal.SIGKILL)
    made = load_model(output)
    for name, value in tree["state"]["model"].items():
        kept = made.masks.get(name, value == value)  # noqa: PLR0124 - all True
        assert value[kept].equal(made.state[name][kept]), name
    assert any(not value.equal(load_model(finished / "steps" / step / output.name).state[name])
               for name, value in made.state.items())  # fmt: skip


def processor_seconds(running: Running) -> float:
    """Seconds of a processor's time that a process has used, whatever else the machine does."""
    try:
        fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it may end before the file is opened, or after
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_run_killed_again_and_again_at_any_moment_ends_with_the_same_bits(
    program: Program, finished: Path, experiment: Path, tmp_path: Path
) -> None:
    workspace, kills = tmp_path / "run", 0
    for seconds in (0.02 * 1.12**attempt for attempt in range(100)):
        running = program.start("run", experiment, "--workspace", workspace, "--no-tracking")
        while running.process.is_alive() and processor_seconds(running) < seconds:
            time.sleep(0.001)
        ended = running.end(signal.SIGKILL)
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.err
        kills += 1
    assert kills > 10
    assert (weights(workspace), figures(workspace)) == (weights(finished), figures(finished))
    assert half_written(workspace) == []


def test_of_two_outputs_one_alone_is_no_result(
    program: Program, finished: Path, experiment: Path, workspace: Path
) -> None:
    step = workspace / "steps" / f"finetune-{CELL}-ceag"
    shutil.rmtree(step / "history")
    ended = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert step.name in ended.steps("done")
    assert (weights(workspace), figures(workspace)) == (weights(finished), figures(finished))


def test_a_checkpoint_of_other_settings_is_not_taken_up(program: Program, finished: Path, tmp_path: Path) -> None:
    workspace, experiment = tmp_path / "run", write_experiment(tmp_path, acquire_dense={"epochs": 100_000})
    stopped_in(program, finished, experiment, workspace, step="acquire_dense", epoch=20, by=signal.SIGKILL)
    old = load_checkpoint(checkpoint_of(workspace, "acquire_dense"))["fingerprint"]
    other = ("run", experiment, "--workspace", workspace, "--no-tracking", "--set", "acquire_dense.seed=5")
    first: dict[str, Any] = {}

    def changed() -> bool:
        with suppress(UserError):  # for a moment there may be none
            first.update(load_checkpoint(checkpoint_of(workspace, "acquire_dense")))
        return first.get("fingerprint", old) != old

    running = program.start(*other)
    running.wait_until(changed)
    running.end(signal.SIGKILL)
    assert first["state"]["epoch"] < 20


def test_two_runs_in_one_workspace_are_refused_the_second(program: Program, experiment: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "run"
    endless = ("--set", "acquire_dense.epochs=100000")
    first = program.start("run", experiment, "--workspace", workspace, "--no-tracking", *endless)
    first.wait_until(moment(workspace, "acquire_dense", 1))
    os.kill(first.process.pid or 0, signal.SIGSTOP)
    second = program("run", experiment, "--workspace", workspace, "--no-tracking")
    assert second.code == 1
    assert second.error_lines == [
        f"{workspace}: another run is at work there; wait for it or choose another --workspace"
    ]
    assert first.end(signal.SIGKILL).code == -signal.SIGKILL
