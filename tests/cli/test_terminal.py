"""Truth: what a terminal and a pipe really receive, read from the other end of a pseudo-terminal and from files."""

import os
import pty
import re
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline.program import Program
from pipeline.workspaces import write_experiment

SLOW = ("--set", "acquire_dense.model=cifar_resnet20", "--set", "acquire_dense.batch_size=1", "--no-tracking")


DENSE = r"dense stay .* \(input layer\); .* \(classifier\)"


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Yield the near end of a terminal, and the name of its far end."""
    near, far = pty.openpty()
    yield near, os.ttyname(far)
    os.close(near)
    os.close(far)


def read_until(near: int, holds: Callable[[str], object]) -> str:
    """Read what comes until it satisfies ``holds``."""
    text = ""
    while not holds(text):
        if select.select([near], [], [], 0.1)[0]:
            text += os.read(near, 65536).decode()
    return text


def test_a_terminal_sees_the_steps_and_a_bar_with_the_time_left(
    program: Program, terminal: tuple[int, str], tmp_path: Path
) -> None:
    near, far = terminal
    running = program.start(
        "run", write_experiment(tmp_path), *SLOW, terminal=far,
        environment={"TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    bar = re.compile(r"dense model .*?\d+/\d+.*?\d:\d\d:\d\d")
    seen = read_until(near, bar.search)
    assert "✓" in seen.split("prepare_data")[0]
    os.kill(running.process.pid or 0, signal.SIGINT)
    rest = read_until(near, lambda text: "where it stood" in text)
    assert running.end().code == 130
    assert "Traceback" not in seen + rest


def test_a_pipe_receives_plain_lines_and_no_bar(program: Program, tmp_path: Path) -> None:
    endless = ("--set", "acquire_dense.epochs=100000", "--no-tracking")
    running = program.start("run", write_experiment(tmp_path), *endless, environment={"TERM": "xterm-256color"})
    # An epoch is over: a bar would be there by now.
    running.wait_until((tmp_path / "runs/tiny/steps/acquire_dense/dense_model.checkpoint").exists)
    ended = running.end(signal.SIGKILL)
    assert re.fullmatch(rf"✓ prepare_data \d+\.\d s\ninfo: pruning this model: {DENSE}\n", ended.err)
    assert ended.out == ""


def test_a_finished_run_pipes_tables_without_control_characters(program: Program, tmp_path: Path) -> None:
    few = ("--set", "acquire_dense.epochs=0", "--set", "prune.gmp_epochs=0", "--set", "prune.finetune_epochs=1")
    experiment = write_experiment(tmp_path, methods=["nft"])
    ended = program("run", experiment, *few, "--no-tracking", environment={"TERM": "xterm-256color"})
    assert ended.code == 0, ended.err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.out + ended.err)
    assert all(
        re.fullmatch(rf"✓ \S+ \d+\.\d s|info: (pruning this model: )?{DENSE}", line) for line in ended.err.splitlines()
    )
    narrow = program("show", "runs/tiny", environment={"PYTHONIOENCODING": "ascii:backslashreplace"})
    assert narrow.code == 0, narrow.err
