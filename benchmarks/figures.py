"""From raw timings to figures, and a result file that says what it was measured on."""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESAMPLES = 2000
SETTINGS = ("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_")


def median(values: Sequence[float]) -> float:
    """Return the median, to six significant digits."""
    return float(f"{np.median(np.asarray(values)):.6g}")


def tenth_percentile(values: Sequence[float]) -> float:
    """Return the value a tenth of the timings stay below: a step that nothing else on the machine delayed."""
    return float(f"{np.percentile(np.asarray(values), 10):.6g}")


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """Compare two ways by their timings in the same rounds.

    Returns:
        ``median``: of the ratios of each round; ``low`` and ``high``: its 95 % interval, from resampling whole
        rounds; ``undisturbed``: the ratio of the two tenth percentiles.
    """
    ratios = np.asarray(numerator) / np.asarray(denominator)
    picks = np.random.default_rng(0).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
    return {
        "median": round(float(np.median(ratios)), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "undisturbed": round(tenth_percentile(numerator) / tenth_percentile(denominator), 4),
    }


def bar(what: str, measured: float, limit: float, interval: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return one line of the verdict.

    Returns:
        What was asked for, what came out, whether it holds (``met``), and where there is a 95 % interval whether
        all of it lies on that side of the limit (``settled``).
    """
    line: dict[str, Any] = {"what": what, "measured": round(measured, 5), "limit": limit, "met": measured <= limit}
    return line if interval is None else line | {"settled": not interval[0] <= limit < interval[1]}


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return when, on what and by which command a measurement was made; call it before measuring."""
    device = torch.device(arguments.device)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python benchmarks/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}".strip(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerator": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": arguments.threads,
        "settings": {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)},
        "load_before": load(),
    }


def write(result: dict[str, Any], out: Path | None) -> None:
    """Print the result and write it to ``out``, with the load the machine had at the end."""
    result["conditions"]["load_after"] = load()
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if out is not None:
        out.write_text(text, encoding="utf-8")


def load() -> list[float]:
    """Return the mean number of runnable processes over the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
