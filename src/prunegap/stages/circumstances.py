"""Where and when a result was made: recorded with it, and no part of its identity, but for the libraries."""

import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prunegap import __version__

LIBRARIES = ("torch", "torchvision", "numpy")
"""Whose random numbers and kernels decide a result's bits."""


def library_versions() -> dict[str, str]:
    """Return the version of every library that can change a result."""
    return {name: installed_version(name) for name in LIBRARIES}


@cache
def installed_version(distribution: str) -> str:
    """Return the version of a distribution; empty where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def made_on(params: object, began: float) -> dict[str, Any]:
    """Return what a result was made with, as plain JSON values.

    Args:
        params: of the stage.
        began: when the stage began, in seconds since the epoch.
    """
    return {
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds"),
        "seconds": round(time.time() - began, 3),
        "prunegap": __version__,
        "python": platform.python_version(),
        "cpu": cpu_name(),
        **library_versions(),
        **_torch(getattr(params, "device", "cpu")),
    }


def differences(records: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return by circumstance (threads, device, cpu, a library) the values that results were made under, if several.

    Args:
        records: what :func:`made_on` returned, by the name of the result.
    """
    told = ("device", "threads", "cpu", "python", *LIBRARIES)
    values = {key: list(dict.fromkeys(str(one[key]) for one in records.values() if key in one)) for key in told}
    return {key: several for key, several in values.items() if len(several) > 1}


@cache
def cpu_name() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _torch(device: str) -> dict[str, Any]:
    if "torch" not in sys.modules:
        return {}
    import torch

    on_gpu = device != "cpu" and torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
    }
