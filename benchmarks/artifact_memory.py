"""How much memory an artifact of 2 GB takes on its way through a stage.

Each case runs in a process of its own, once with a large and once with a small artifact:

measure_baseline  the stage itself: checks (hashes) a data set, maps it, runs a small network over every image
pass_on           a stage that reads a data set and writes it again, hashed on both sides
save_checkpoint   a training state that lies in memory, written as a checkpoint
save_model        a pruned model that lies in memory, half its weights kept, written and sealed as an artifact
load_checkpoint   the same state read: it then lies in memory, so this one has no limit

A process says when its imports are done and what it starts from lies in memory; from then on its memory is read from
/proc every two milliseconds by its parent. ``anonymous`` is what the process itself holds (RssAnon); ``mapped`` are
pages of files (RssFile), which the system drops when memory is short: of the artifact, and of torch's program code.
The limit is on the anonymous memory. What a stage takes whatever the artifact's size shows in the small case.
"""

import argparse
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from figures import bar, conditions, write
from torch import Tensor

from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.identity import Identity
from prunegap.artifacts.manifest import seal, staging_beside
from prunegap.artifacts.model import StoredModel, save_model
from prunegap.artifacts.trained_models import DenseModel, DenseTraining
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec
from prunegap.stages.contract import stage
from prunegap.stages.measure_baseline import MeasureBaselineParams, measure_baseline
from prunegap.stages.params import StageParams
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import load_checkpoint, save_checkpoint

MEGABYTE = 1_000_000
SIDE, CLASSES, BATCH, LAYERS = 32, 10, 64, 32
PAUSE = 0.002
UNLIMITED = {"load_checkpoint"}
NAMES = tuple(map(str, range(CLASSES)))
MEAN, STD = (0.5,) * 3, (0.25,) * 3
SPEC = ModelSpec("small_cnn", CLASSES, 3, SIDE, class_names=NAMES, channel_mean=MEAN, channel_std=STD)


@stage
def pass_on(params: StageParams, dataset: Dataset) -> Dataset:  # noqa: ARG001
    """Write a data set again as it is."""
    return dataset


def make_inputs(folder: Path, megabytes: int) -> None:
    """Seal a data set of random images, and a model for it."""
    examples = megabytes * MEGABYTE // (3 * SIDE * SIDE)
    drawn = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (examples, 3, SIDE, SIDE), dtype=torch.uint8, generator=drawn)
    labels = torch.arange(examples) % CLASSES
    splits = {"train": Split(images, labels, labels), "test": Split(images[:64], labels[:64], labels[:64])}
    dataset = GroupedDataset(splits, NAMES, NAMES, MEAN, STD)
    sealed(folder / "dataset", "dataset", Dataset(dataset).save)
    network = StoredModel(SPEC, build(SPEC).state_dict(), {}, {})
    sealed(folder / "dense", "dense_model", DenseModel(network, DenseTraining("nft", 0, 0)).save)


def sealed(target: Path, kind: str, fill: Callable[[Path], None]) -> None:
    """Write an artifact as the contract of a stage does."""
    staging = staging_beside(target)
    fill(staging)
    seal(staging, target, kind=kind, identity=Identity(), made_on={})


def tensors_of(megabytes: int) -> dict[str, Tensor]:
    """Return float32 weights of together about ``megabytes``, in layers of equal size."""
    rows = megabytes * MEGABYTE // (LAYERS * 4 * 1000)
    return {f"layer{number}.weight": torch.full((rows, 1000), 0.5) for number in range(LAYERS)}


def baseline_case(folder: Path, _megabytes: int) -> Callable[[], object]:
    """Return the stage measure_baseline, which reads the data set and evaluates a network on it."""
    inputs = {"dataset": folder / "dataset", "dense_model": folder / "dense"}
    params = MeasureBaselineParams(threads=1, device="cpu", evaluation_batch_size=BATCH)
    return lambda: measure_baseline.run(params, inputs, {"baseline": folder / "baseline"}, NullTracker())


def pass_on_case(folder: Path, _megabytes: int) -> Callable[[], object]:
    """Return a stage that reads the data set and writes it again."""
    inputs, outputs = {"dataset": folder / "dataset"}, {"dataset": folder / "again"}
    return lambda: pass_on.run(StageParams(), inputs, outputs, NullTracker())


def save_checkpoint_case(folder: Path, megabytes: int) -> Callable[[], object]:
    """Return the writing of a checkpoint of this size."""
    content = {"fingerprint": "", "state": {"model": tensors_of(megabytes), "epoch": 3}}
    return lambda: save_checkpoint(folder / "checkpoint", content)


def load_checkpoint_case(folder: Path, _megabytes: int) -> Callable[[], object]:
    """Return the reading of that checkpoint."""
    return lambda: load_checkpoint(folder / "checkpoint")


def save_model_case(folder: Path, megabytes: int) -> Callable[[], object]:
    """Return the writing of a model, half of whose weights are pruned, as an artifact of this size."""
    state = tensors_of(2 * megabytes)
    masks = {name: (torch.arange(value.numel()) % 2 == 0).view_as(value) for name, value in state.items()}
    return lambda: sealed(folder / "model", "sparse_model", lambda staging: save_model(staging, SPEC, state, masks))


CASES: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "measure_baseline": baseline_case,
    "pass_on": pass_on_case,
    "save_checkpoint": save_checkpoint_case,
    "load_checkpoint": load_checkpoint_case,
    "save_model": save_model_case,
}


def run_here(case: str, folder: Path, megabytes: int) -> None:
    """Prepare a case, wait for the word, run it, and wait for the end."""
    work = CASES[case](folder, megabytes)
    print("ready", flush=True)
    sys.stdin.readline()
    result = work()
    print("done", flush=True)
    sys.stdin.readline()
    del result


def watch(case: str, folder: Path, megabytes: int) -> dict[str, float]:
    """Run one case in a process of its own; return by how many megabytes it grew, and how large it was at most."""
    command = [sys.executable, __file__, "--only", case, "--folder", str(folder), "--megabytes", str(megabytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        says = process.stdout
        require(says.readline(), b"ready\n", case)
        status = Path(f"/proc/{process.pid}/status")
        before = peak = memory(status)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        began = time.perf_counter()
        while not select.select([says], [], [], PAUSE)[0]:
            peak = {name: max(value, peak[name]) for name, value in memory(status).items()}
        seconds = time.perf_counter() - began
        require(says.readline(), b"done\n", case)
        peak = {name: max(value, peak[name]) for name, value in memory(status).items()}
        process.communicate(b"end\n")
    figures = {name: peak[name] - before[name] for name in ("anonymous", "mapped")}
    return {
        name: round(value, 2) for name, value in {**figures, "largest": peak["largest"], "seconds": seconds}.items()
    }


def require(said: bytes, expected: bytes, case: str) -> None:
    """Refuse a process that did not say what it should have said by now."""
    if said != expected:
        raise RuntimeError(f"{case}: the process ended before it was {expected.decode().strip()}")


def memory(status: Path) -> dict[str, float]:
    """Return the megabytes a process holds now (anonymous, mapped) and held at most (largest)."""
    lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
    if "RssAnon" not in lines:
        raise RuntimeError("the process ended in the middle; its own error stands above")
    fields = {"anonymous": "RssAnon", "mapped": "RssFile", "largest": "VmHWM"}
    return {name: 1024 * int(lines[field].split()[0]) / MEGABYTE for name, field in fields.items()}


def measure(megabytes: int, small: int, limit: float) -> dict[str, Any]:
    """Return every case with a large and a small artifact, held against the limit."""
    cases: dict[str, dict[str, dict[str, float]]] = {case: {} for case in CASES}
    for size, amount in (("small", small), ("large", megabytes)):
        with tempfile.TemporaryDirectory() as name:
            make = [sys.executable, __file__, "--only", "make", "--folder", name, "--megabytes", str(amount)]
            subprocess.run(make, check=True)
            for case in CASES:
                cases[case][size] = watch(case, Path(name), amount)
    bars = [
        bar(f"{case}: anonymous memory for {megabytes} MB, MB", cases[case]["large"]["anonymous"], limit)
        for case in CASES
        if case not in UNLIMITED
    ]
    return {"megabytes": {"large": megabytes, "small": small}, "limit_mb": limit, "cases": cases, "bars": bars}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000, help="size of the large artifact")
    parser.add_argument("--small", type=int, default=2, help="size of the small artifact")
    parser.add_argument("--limit", type=float, default=300.0, help="megabytes of anonymous memory a case may take")
    parser.add_argument("--only", choices=["make", *CASES], help="do one thing in this process")
    parser.add_argument("--folder", type=Path, help="where --only finds and leaves files")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.only == "make":
        make_inputs(given.folder, given.megabytes)
    elif given.only:
        run_here(given.only, given.folder, given.megabytes)
    else:
        given.device, given.threads = "cpu", 1
        ran_on = conditions(given)
        measured = measure(given.megabytes, given.small, given.limit)
        write({"measures": "artifact memory", "conditions": ran_on, **measured}, given.out)


if __name__ == "__main__":
    main()
