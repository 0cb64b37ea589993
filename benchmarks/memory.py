"""How much memory training needs beyond the process after its imports, against a budget.

Every case runs in a process of its own, with the thread and allocator settings any user has:

one_batch   forward and backward of the bare network on one batch; gives the activations
bare        the bare loop: every batch of the same data set, prepared by the same code, without masks or records
nft, ceag   the epoch loop itself

budget = data set + 3 x model (weights, gradients, momentum) + activations
activations = peak of ``one_batch`` - weights - gradients; its inputs and whatever the kernels allocate count

On a CPU the peak is that of the resident set (VmHWM; ru_maxrss is the same counter, but a child process inherits
its parent's). It is counted from where the process stands after its imports and one step of a one-layer network:
the first step of any program makes torch import more of itself and start its threads. ``first_step_mb`` says how
much that was, and ``library_pages_mb`` how much of the peak is program code: pages of torch's files that become
resident when a kernel first runs, which no training allocates. On a GPU the peak is that of torch's allocator.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from figures import bar, conditions, write
from torch import nn
from ways import bare_step, shuffled_epoch
from workload import SIDE, Workload, add_workload_arguments, workload_of

from prunegap.data.batches import Batch
from prunegap.data.grouped import Split
from prunegap.training.run import train

CASES = ("one_batch", "bare", "nft", "ceag")
MEGABYTE = 1_000_000


def resident(device: torch.device) -> int:
    """Return the bytes held now: the process's resident set, or torch's allocations on a GPU."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else _status("VmRSS")


def peak(device: torch.device) -> int:
    """Return the most bytes ever held."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(kibibytes)


def first_step(device: torch.device) -> None:
    """Let torch load what it loads at the first step of any training."""
    layer = nn.Conv2d(1, 1, 3).to(device)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, foreach=True)
    layer(torch.zeros(2, 1, 8, 8, device=device)).sum().backward()
    optimizer.step()


def run_one_batch(workload: Workload) -> None:
    """Forward and backward of the network alone, once."""
    model, plan = workload.network().train(), workload.plan(epochs=1)
    size, device = workload.batch_size, workload.device
    images = torch.zeros(size, 3, SIDE, SIDE, dtype=torch.uint8, device=device)
    labels = torch.zeros(size, dtype=torch.int64, device=device)
    inputs = plan.image_format.inputs(images)
    bare_step(model, None, Batch(inputs, labels, labels), plan.autocast)


def run_bare(workload: Workload, epochs: int) -> None:
    """Train with bare steps on the batches of whole epochs."""
    plan, split = workload.plan(epochs), workload.split()
    model = workload.network().train()
    optimizer = plan.recipe.optimizer(model)
    for epoch in range(epochs):
        for batch in shuffled_epoch(split, plan, epoch):
            bare_step(model, optimizer, batch, plan.autocast)


def run_method(workload: Workload, method: str, epochs: int) -> None:
    """Train with the epoch loop."""
    plan, split = workload.plan(epochs), workload.split()
    state = workload.state(method, plan)
    for _ in train(state, plan, split, until=epochs):
        pass


def measure_here(workload: Workload, case: str, epochs: int) -> dict[str, float]:
    """Run one case in this process and return its megabytes."""
    device = workload.device
    imported = resident(device)
    first_step(device)
    began, pages = resident(device), _status("RssFile")
    if case == "one_batch":
        run_one_batch(workload)
    elif case == "bare":
        run_bare(workload, epochs)
    else:
        run_method(workload, case, epochs)
    return {
        "after_imports_mb": imported / MEGABYTE,
        "first_step_mb": (began - imported) / MEGABYTE,
        "peak_mb": (peak(device) - began) / MEGABYTE,
        "library_pages_mb": (_status("RssFile") - pages) / MEGABYTE if device.type == "cpu" else 0.0,
    }


def measure_apart(case: str) -> dict[str, float]:
    """Run this program again for one case, in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", case]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def sizes(workload: Workload) -> tuple[float, float]:
    """Return the megabytes of the data set and of the network's weights."""
    split: Split = workload.split()
    stored = sum(part.nbytes for part in (split.images, split.labels, split.groups))
    weights = sum(parameter.nbytes for parameter in workload.network().parameters())
    return stored / MEGABYTE, weights / MEGABYTE


def measure(workload: Workload, chosen: Sequence[str]) -> dict[str, Any]:
    """Return every chosen case beside the budget."""
    cases = {case: measure_apart(case) for case in ("one_batch", *chosen)}
    data_set, model = sizes(workload)
    activations = cases["one_batch"]["peak_mb"] - 2 * model
    budget = {"data_set": data_set, "model": model, "activations": activations}
    budget["total"] = data_set + 3 * model + activations
    return {
        "cases": {name: _rounded(figures) for name, figures in cases.items()},
        "budget_mb": _rounded(budget),
        "bars": [
            bar(f"peak of {case}, MB", cases[case]["peak_mb"], round(budget["total"], 2))
            for case in chosen
            if case != "bare"
        ],
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_workload_arguments(parser)
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--cases", nargs="+", choices=CASES[1:], default=CASES[1:], help="beside one_batch")
    parser.add_argument("--only", choices=CASES, help="run one case in this process and print its figures")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    workload = workload_of(given, given.groups)
    if given.only:
        print(json.dumps(measure_here(workload, given.only, given.epochs)))
        return
    ran_on = conditions(given)
    write({"measures": "memory", "conditions": ran_on, **measure(workload, given.cases)}, given.out)


if __name__ == "__main__":
    main()
