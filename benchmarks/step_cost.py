"""What one training step costs beyond the bare forward, backward and optimizer step.

Four ways to train the same network on the same batches, step by step in one process and in a new random order
every round, so that whatever else the machine does hits all of them alike:

bare    ``bare_step`` on inputs that were normalised before the clock started
nft     a step as the epoch loop takes it: gather, normalise, train_step with masks, running sums
el_rb   the same with the equalized-loss constraint and its replay buffers
ceag    the same with the excess-accuracy-gap constraint and its replay buffers

Ratios are per round. Beside them, each piece of our own code alone, which is far less noisy than a whole step.

``--clock wall`` is what a user waits. ``--clock processor`` counts this process's own processor time: on one
thread it leaves out the time in which other programs had the core, so it is the steadier one where cores are
shared; on several threads it also counts threads that wait for each other, and on a GPU it says nothing.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from figures import bar, conditions, median, ratio, tenth_percentile, write
from ways import BareTraining, FineTuning, endless_batches, shuffled_epoch
from workload import Workload, add_workload_arguments, workload_of

from prunegap.data.grouped import Split
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.epoch_totals import EpochTotals

METHODS = ("nft", "el_rb", "ceag")
RATIOS = (("nft", "bare"), ("el_rb", "nft"), ("ceag", "nft"))
RATIO_LIMITS = {"nft/bare": 1.10, "ceag/nft": 1.02}
WARM_UP = 3
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Stopwatch:
    """Times work on a device by one of :data:`CLOCKS`."""

    device: torch.device
    clock: str

    def __call__(self, work: Callable[[], object], times: int = 1) -> float:
        """Return milliseconds of one call, over ``times`` calls that end with the device idle."""
        read = CLOCKS[self.clock]
        self._wait()
        began = read()
        for _ in range(times):
            work()
        self._wait()
        return 1000 * (read() - began) / times

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def interleaved(
    workload: Workload, split: Split, stopwatch: Stopwatch, rounds: int, steps: int
) -> dict[str, list[float]]:
    """Return milliseconds a step of each way to train, one entry a round."""
    plan = workload.plan(epochs=1)
    ways: dict[str, BareTraining | FineTuning] = {"bare": BareTraining(workload.state("nft", plan), plan, split)}
    ways |= {method: FineTuning(workload.state(method, plan), plan, split) for method in METHODS}
    order = torch.Generator().manual_seed(3)
    names = list(ways)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-WARM_UP, rounds):
        for position in torch.randperm(len(names), generator=order).tolist():
            way = ways[names[position]]
            way.prepare(steps)
            spent = stopwatch(way.step, steps)
            if turn >= 0:
                times[names[position]].append(spent)
    return times


def dual_step_times(workload: Workload, stopwatch: Stopwatch, method: str, repeats: int) -> list[float]:
    """Return milliseconds of the constraint's own code, on one batch's losses, with full replay buffers."""
    dual = workload.dual(method)
    assert dual is not None
    size, device = workload.batch_size, workload.device
    loss = torch.rand(size, device=device)
    correct = torch.rand(size, device=device) < 0.5
    groups = torch.randint(0, workload.groups, (size,), device=device)
    everyone, step = torch.arange(workload.groups, device=device), dual.step
    for _ in range(dual.settings.capacity):
        step(torch.rand(workload.groups, device=device), everyone < 0, everyone)
    return [stopwatch(lambda: step(loss, correct, groups)) for _ in range(repeats)]


def piece_times(workload: Workload, split: Split, stopwatch: Stopwatch, repeats: int) -> dict[str, float]:
    """Return median milliseconds of each piece a plain fine-tuning step adds to the bare one."""
    plan, device = workload.plan(epochs=1), workload.device
    state = workload.state("nft", plan)
    masked = MaskedParameters(state.model, state.masks)
    totals = EpochTotals(workload.groups, device)
    loss, correct = torch.rand(workload.batch_size, device=device), torch.ones(workload.batch_size, device=device) > 0
    groups = split.groups[: workload.batch_size]
    batches = endless_batches(split, plan)
    pieces: dict[str, Callable[[], object]] = {
        "prepare_batch": lambda: next(batches),
        "masks": masked.apply,
        "running_sums": lambda: totals.add(loss, correct, None, groups),
    }
    medians = {name: median([stopwatch(piece) for _ in range(repeats)]) for name, piece in pieces.items()}
    return medians | {"begin_epoch": median([stopwatch(lambda: next(shuffled_epoch(split, plan))) for _ in range(9)])}


def measure(workload: Workload, stopwatch: Stopwatch, rounds: int, steps: int, repeats: int) -> dict[str, Any]:
    """Return every figure for one number of groups."""
    split = workload.split()
    times = interleaved(workload, split, stopwatch, rounds, steps)
    nft = median(times["nft"])
    ratios = {f"{above}/{below}": ratio(times[above], times[below]) for above, below in RATIOS}
    duals = {method: median(dual_step_times(workload, stopwatch, method, repeats)) for method in METHODS[1:]}
    return {
        "groups": workload.groups,
        "rounds": rounds,
        "step_ms": {
            name: {"median": median(ms), "tenth_percentile": tenth_percentile(ms)} for name, ms in times.items()
        },
        "ratios": ratios,
        "dual_step": {name: dual_share(ms, nft, ratios[f"{name}/nft"]) for name, ms in duals.items()},
        "pieces_ms": piece_times(workload, split, stopwatch, repeats),
    }


def dual_share(ms: float, nft: float, whole: dict[str, float]) -> dict[str, Any]:
    """Hold the constraint's own time against a plain step, and that against the ratio of whole steps."""
    share = ms / nft
    agrees = whole["low"] <= 1 + share <= whole["high"]
    return {"ms": ms, "share_of_nft_step": round(share, 6), "within_interval_of_whole_steps": agrees}


def bars(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold the figures against the limits that the README of this folder states."""
    lines: list[dict[str, Any]] = []
    for result in results:
        groups = result["groups"]
        for name, limit in RATIO_LIMITS.items():
            whole = result["ratios"][name]
            lines.append(bar(f"{name}, {groups} groups", whole["median"], limit, (whole["low"], whole["high"])))
        share = result["dual_step"]["ceag"]["share_of_nft_step"]
        lines.append(bar(f"1 + dual step / nft step, {groups} groups", 1 + share, 1.005 if groups <= 100 else 1.02))
    return lines


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_workload_arguments(parser)
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=60, help="rounds of one timing of each way to train")
    parser.add_argument("--steps", type=int, default=1, help="steps a timing; 10 on a GPU, so that launches overlap")
    parser.add_argument("--repeats", type=int, default=1000, help="timings of each piece alone")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    ran_on = conditions(given)
    results: list[dict[str, Any]] = []
    stopwatch = Stopwatch(torch.device(given.device), given.clock)
    for groups in given.groups:
        workload = workload_of(given, groups)
        results.append(measure(workload, stopwatch, given.rounds, given.steps, given.repeats))
    write({"measures": "step cost", "conditions": ran_on, "results": results, "bars": bars(results)}, given.out)


if __name__ == "__main__":
    main()
