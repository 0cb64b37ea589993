"""What the simulations of known truth share: how often limits hold, and a table that says what it was measured on."""

import argparse
import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from figures import conditions, load
from numpy.typing import NDArray

from prunegap.uncertainty import Limits

ALPHA = 0.05
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def held(limits: Limits, truth: Floats) -> Booleans:
    """Return which groups' limits hold, shape (repetitions, groups)."""
    return (limits.low <= truth + 1e-12) & (limits.high >= truth - 1e-12)


def share(those: Booleans | np.bool_) -> str:
    """Return the share that is true, as the tables print it."""
    return f"{those.mean():.4f}"


def two_standard_errors(repetitions: int) -> str:
    """Return what a share of .95 may be off by in so many repetitions."""
    return f"{2 * np.sqrt(ALPHA * (1 - ALPHA) / repetitions):.4f}"


def over_ideal(limits: Limits, ideal: Floats) -> str:
    """Return the mean over groups of the half-width against the ideal one; nothing where no width is ideal."""
    half = (limits.high - limits.low).mean(axis=0) / 2
    return f"{np.mean(half[ideal > 0] / ideal[ideal > 0]):.3f}" if (ideal > 0).any() else ""


def arguments(about: str, out: Path) -> argparse.Namespace:
    """Read the command line of a simulation."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=out)
    parser.set_defaults(device="cpu", threads=1)
    return parser.parse_args()


def write(given: argparse.Namespace, rows: Iterable[dict[str, object]]) -> None:
    """Print each row when it is measured; write all, and beside them date, machine and command as JSON."""
    measured_on = conditions(given)
    found: list[dict[str, object]] = []
    for row in rows:
        found.append(row)
        print(row, flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    measured_on["load_after"] = load()
    given.out.with_suffix(".json").write_text(json.dumps(measured_on, indent=2) + "\n", encoding="utf-8")
