"""Truth: what a terminal and a pipe really receive, read from the other end of a pseudo-terminal and from files."""

import io
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
from rich.console import Console

from prunegap.cli.terminal import Terminal

SLOW = ("--set", "acquire_dense.model=cifar_resnet20", "--set", "acquire_dense.batch_size=1", "--no-tracking")


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


LINE = r"dense model: epoch \d+ of \d+, about (\d+ h )?\d+ (s|min) left"
SAID = r"info: pruning this model: dense stay .* \(input layer\); .* \(classifier\)"


def test_a_pipe_receives_plain_lines_and_no_bar(program: Program, tmp_path: Path) -> None:
    endless = ("--set", "acquire_dense.epochs=100000", "--no-tracking")
    running = program.start("run", write_experiment(tmp_path), *endless, environment={"TERM": "xterm-256color"})
    # An epoch is over: a bar would be there by now.
    running.wait_until((tmp_path / "runs/tiny/steps/acquire_dense/dense_model.checkpoint").exists)
    ended = running.end(signal.SIGKILL)
    first, second, *rest = ended.err.splitlines()
    assert re.fullmatch(r"✓ prepare_data \d+\.\d s", first)
    assert re.fullmatch(SAID, second)
    assert all(re.fullmatch(LINE, line) for line in rest)
    assert ended.out == ""


def test_a_log_gets_a_line_every_so_often_with_the_epoch_and_the_time_left(program: Program, tmp_path: Path) -> None:
    dense = ("acquire_dense", "--dataset", "dataset", "--dense-model", "dense", "--history", "history")
    assert program("prepare_data", "--dataset", "dataset").code == 0
    training = program.start(*dense, "--epochs", "100000", "--threads", "1")
    said = training.streams.with_suffix(".err")
    training.wait_until(lambda: re.search(rf"^{LINE}$", said.read_text(), re.MULTILINE))
    ended = training.end(signal.SIGKILL)
    assert len(ended.err.splitlines()) < 20, "not a line a batch"
    assert re.fullmatch(SAID, ended.err.splitlines()[0])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.err)
    again = program.start(*dense, "--epochs", "100000", "--threads", "1")
    said = again.streams.with_suffix(".err")
    again.wait_until(lambda: re.search(rf"^{LINE}$", said.read_text(), re.MULTILINE))
    lines = again.end(signal.SIGKILL).err.splitlines()
    (stood,) = re.findall(r"^info: goes on from its checkpoint at epoch (\d+)$", "\n".join(lines), re.MULTILINE)
    assert int(re.findall(r"epoch (\d+) of 100000", lines[-1])[0]) > int(stood) > 0


@pytest.mark.parametrize(
    ("seconds", "count", "epochs", "expected"),
    [
        # 10 batches an epoch; the first line after 10 s, then every 30 s
        (2, 30, range(3, 6), ["epoch 4 of 6, about 50 s left", "epoch 6 of 6, about 20 s left"]),
        (9, 1, range(1), []),
        (60, 4, range(0), ["1 of 4, about 3 min left", "2 of 4, about 2 min left", "3 of 4, about 60 s left"]),
        (3600, 3, range(0, 3), ["epoch 2 of 3, about 2 h 0 min left", "epoch 3 of 3, about 1 h 0 min left"]),
    ],
)
def test_a_line_says_the_epoch_that_is_trained_and_what_is_left_of_all(
    monkeypatch: pytest.MonkeyPatch, seconds: float, count: int, epochs: range, expected: list[str]
) -> None:
    log, now = io.StringIO(), 100.0
    monkeypatch.setattr("prunegap.cli.terminal.time.monotonic", lambda: now)
    for _ in Terminal(Console(file=log)).progress(range(count), count, "it [a]", epochs):
        now += seconds
    assert log.getvalue().splitlines() == [f"it [a]: {line}" for line in expected]


def test_a_finished_run_pipes_tables_without_control_characters(program: Program, tmp_path: Path) -> None:
    few = ("--set", "acquire_dense.epochs=0", "--set", "prune.gmp_epochs=0", "--set", "prune.finetune_epochs=1")
    experiment = write_experiment(tmp_path, methods=["nft"])
    ended = program("run", experiment, *few, "--no-tracking", environment={"TERM": "xterm-256color"})
    assert ended.code == 0, ended.err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.out + ended.err)
    lines = [line for line in ended.err.splitlines() if not line.startswith("info: ")]
    assert all(re.fullmatch(rf"✓ \S+ \d+\.\d s|{LINE}", line) for line in lines)
    narrow = program("show", "runs/tiny", environment={"PYTHONIOENCODING": "ascii:backslashreplace"})
    assert narrow.code == 0, narrow.err
