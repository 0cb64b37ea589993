"""What FairGRAPE's selection costs, against picking weights one at a time over all weights of a layer.

select      ``prunegap.pruning.fairgrape.select``, the whole selection, sorting included
one a time  the rule as it is written down, in numpy: every pick takes the group with the largest deficit, then the
            largest of its importances that are left (``argmax`` over the layer, in float32), and adds it to the sums.
            Timed over the first ``--picks`` picks; a pick costs the same early and late, so that is multiplied

The first picks of both are compared: they must be the same weights. The importances are random and each group's its
own (log-normal over many orders of magnitude), which is the hardest case for the queues: groups agree on nothing.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import bar, conditions, median, write
from torch import Tensor

from prunegap.pruning.fairgrape import select

# Weights, groups, and where such a layer stands; the second and third are of FairGRAPE's own setting (FairFace).
LAYERS = (
    (36_864, 100, "CifarResNet-56, last stage; 100 classes as groups"),
    (589_824, 7, "ResNet-34, third stage; 7 races"),
    (2_359_296, 7, "ResNet-34, last stage; 7 races"),
)
LIMIT = 50


def drawn_importance(weights: int, groups: int) -> Tensor:
    """Return importances, shape (groups, weights)."""
    generator = torch.Generator().manual_seed(weights + groups)
    return (3 * torch.randn(groups, weights, generator=generator) - 20).exp()


def one_at_a_time(importance: Tensor, total: Tensor, count: int) -> tuple[list[int], float]:
    """Return the first ``count`` picks of the plain rule and the seconds they took."""
    rows, left = importance.numpy(), importance.numpy().copy()
    target = (total / total.sum()).numpy()
    held, picks = np.zeros(len(rows)), list[int]()
    began = time.perf_counter()
    for _ in range(count):
        deficit = target - held / (held.sum() or 1.0)
        weight = int(left[deficit.argmax()].argmax())
        held += rows[:, weight]
        left[:, weight] = -1.0
        picks.append(weight)
    return picks, time.perf_counter() - began


def measure(layer: tuple[int, int, str], keep: float, picks: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of both ways for one layer and one share of its weights to keep."""
    weights, groups, where = layer
    importance = drawn_importance(weights, groups)
    total = importance.sum(dim=1, dtype=torch.float64)
    count = round(keep * weights)
    fast: list[float] = []
    plain: list[float] = []
    first: list[int] = []
    for _ in range(rounds):
        began = time.perf_counter()
        select(importance, total, count)
        fast.append(time.perf_counter() - began)
        first, seconds = one_at_a_time(importance, total, min(picks, count))
        plain.append(seconds / len(first) * count)
    same = set(select(importance, total, len(first)).nonzero().flatten().tolist()) == set(first)
    ratio = median([slow / quick for slow, quick in zip(plain, fast, strict=True)])
    return {
        "where": where,
        "weights": weights,
        "groups": groups,
        "keep": keep,
        "select_s": median(fast),
        "one_at_a_time_s": median(plain),
        "ratio": ratio,
        "same_first_picks": same,
    }


def bars(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold the largest layer against the limit: at least 50 times as fast, so that at most a 50th is measured."""
    largest = max(result["weights"] for result in results)
    return [
        bar(f"select / one at a time, {row['weights']:,} weights, {row['keep']:.0%} kept", 1 / row["ratio"], 1 / LIMIT)
        for row in results
        if row["weights"] == largest
    ]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=float, nargs="+", default=[0.9, 0.1], help="shares of weights to keep")
    parser.add_argument("--picks", type=int, default=2000, help="picks that are timed one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the layers' sizes, for a trial")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.set_defaults(device="cpu")
    return parser.parse_args()


def main() -> None:
    """Measure every layer and write what it took."""
    given = arguments()
    torch.set_num_threads(given.threads)
    ran_on = conditions(given)
    layers = [(round(weights * given.scale), groups, where) for weights, groups, where in LAYERS]
    results = [measure(layer, keep, given.picks, given.rounds) for layer in layers for keep in given.keep]
    write(
        {"measures": "fairgrape selection", "conditions": ran_on, "results": results, "bars": bars(results)}, given.out
    )


if __name__ == "__main__":
    main()
