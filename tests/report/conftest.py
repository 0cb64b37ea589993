"""Evaluations and histories of a simulated pruning: drawn outcomes, figures from ``prunegap.gaps``."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from prunegap.artifacts.evaluation import Evaluation, SplitResult, split_result
from prunegap.artifacts.history import EpochEntry, History, StepTrace
from prunegap.gaps import Outcomes, compare_outcomes, group_statistics, overall_statistics, quantity_of

METHOD_HARM = {"nft": 0.12, "el_rb": 0.07, "ceag": 0.02}


def _outcomes(draw: np.random.Generator, accuracy: np.ndarray) -> Outcomes:
    correct = torch.from_numpy(draw.random(len(accuracy)) < accuracy)
    loss = torch.from_numpy(draw.gamma(2.0, 0.2, len(accuracy))) + (~correct).double()
    return Outcomes(correct.long(), loss, correct)


def simulated_evaluations(
    *,
    names: Sequence[str] = ("White", "Black", "Asian", "Indian", "Others"),
    seeds: Sequence[int] = (0, 1, 2),
    sparsities: Sequence[float] = (0.9,),
    methods: Sequence[str] = ("nft", "el_rb", "ceag"),
    splits: Sequence[str] = ("train", "test"),
    tolerance: float = 0.03,
    empty_group: bool = False,
    per_group: int = 60,
) -> list[Evaluation]:
    """Draw dense and sparse outcomes; the sparse one is hurt by ``METHOD_HARM`` and more in later groups."""
    count = len(names)
    groups = torch.arange(per_group * count) % (count - 1 if empty_group else count)
    share = groups.numpy() / max(1, count - 1)
    made: list[Evaluation] = []
    for seed in seeds:
        for sparsity in sparsities:
            for place, method in enumerate(methods):
                draw = np.random.default_rng([seed, int(1000 * sparsity), place])
                harm = METHOD_HARM.get(method, 0.05) * sparsity
                results: dict[str, SplitResult] = {}
                for split in splits:
                    base = np.full(len(share), 0.97 if split == "train" else 0.85)
                    dense = _outcomes(draw, base)
                    sparse = _outcomes(draw, base - harm * (0.3 + 2 * share**2))
                    alpha = None if split == "train" else 0.05
                    measures = compare_outcomes(dense, sparse, groups, count, alpha=alpha)
                    results[split] = split_result(measures, names, tolerance)
                made.append(
                    Evaluation(
                        dataset="faces",
                        target="race",
                        group="race",
                        model="small_cnn",
                        seed=seed,
                        sparsity=sparsity,
                        achieved_sparsity=sparsity + 0.001 * seed,
                        method=method,
                        label="",
                        summary=f"What {method} does.",
                        tolerance=tolerance,
                        seconds=100.0 + 10 * place + seed,
                        overall_quantities=tuple(map(quantity_of, overall_statistics())),
                        group_quantities=tuple(map(quantity_of, group_statistics())),
                        splits=results,
                    )
                )
    return made


def simulated_history(
    *,
    names: Sequence[str] = ("White", "Black", "Asian"),
    method: str = "ceag",
    seed: int = 0,
    sparsity: float = 0.9,
    tolerance: float = 0.03,
    steps: int = 200,
) -> History:
    """Dual ascent against violations that decay as the multipliers grow, unobserved for the first steps."""
    draw = np.random.default_rng(seed)
    count = len(names) + 1
    multipliers = np.zeros(count)
    rows: list[list[float | None]] = []
    trail: list[list[float]] = []
    for step in range(steps):
        violation = 0.1 / np.arange(1, count + 1) - 0.2 * multipliers + 0.01 * draw.standard_normal(count)
        violation[-1], multipliers[-1] = violation[:-1].max(), multipliers[:-1].max()
        seen = step >= 10
        rows.append([float(value) if seen else None for value in violation])
        if seen:
            multipliers[:-1] = np.maximum(0, multipliers[:-1] + 0.05 * violation[:-1])
        trail.append([float(value) for value in multipliers])
    trace = StepTrace((*names, "maximum"), tuple(range(steps)), rows, trail)
    entry = EpochEntry(5, 0.01, sparsity, 0.4, 0.9, None, {}, {}, 0.0, 1.0)
    unit = "nats" if method.startswith("el") else "fraction"
    return History(method, seed, sparsity, tolerance, (entry,), trace, unit=unit)


@pytest.fixture
def simulate() -> Callable[..., list[Evaluation]]:
    """Make evaluations of a simulated pruning."""
    return simulated_evaluations


@pytest.fixture
def simulate_history() -> Callable[..., History]:
    """Make the history of a simulated dual ascent."""
    return simulated_history
