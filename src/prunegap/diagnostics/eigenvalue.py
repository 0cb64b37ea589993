"""The largest eigenvalue of a symmetric matrix that is known by its products with vectors, by Lanczos' method.

Lanczos' is power iteration that keeps the vectors it goes through: what it finds in k products is the best in their
span, power iteration's last vector included. It finds the largest eigenvalue itself, not the largest in magnitude,
so that a dominant negative one needs no shift.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from prunegap.shapes import ParameterFloats

ITERATIONS = 40
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Eigenvalue:
    """A largest eigenvalue (algebraic: of a matrix with negative ones only it is negative).

    Attributes:
        value: the Rayleigh quotient of the vector that was found; never above the true one.
        residual: an eigenvalue lies at most so far from it (``||H v - value v||`` with ``||v|| = 1``).
        iterations: products that it took.
        converged: whether the residual came down to the tolerance.
    """

    value: float
    residual: float
    iterations: int
    converged: bool


def largest_eigenvalue(
    product: Callable[[ParameterFloats], ParameterFloats],
    size: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> Eigenvalue:
    """Return the largest eigenvalue of a symmetric matrix.

    It ends when the residual is at most ``tolerance`` times the largest magnitude of an eigenvalue that was found. The
    value itself is then far closer: its error is of the order of the residual squared over the distance to the next.

    Args:
        product: the matrix times a vector of shape (size,).
        size: of the matrix.
        dtype: of the vectors, of which ``iterations`` are kept.
        device: of the vectors.
        tolerance: of the residual.
        iterations: products at most.
        seed: of the vector that it starts from.
    """
    start = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    vector = (start / start.norm()).to(dtype).to(device)
    basis = torch.empty(min(iterations, size), size, dtype=dtype, device=device)
    diagonal: list[float] = []
    beside: list[float] = []
    best = Eigenvalue(0.0, 0.0, 0, converged=True)
    for step in range(len(basis)):
        basis[step] = vector
        known = basis[: step + 1]
        image = product(vector)
        diagonal.append(float(image @ vector))
        for _ in range(2):  # rounding errors bring back what was taken out once
            image = image - known.T @ (known @ image)
        left = float(image.norm())
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        residual = left * abs(float(vectors[-1, -1]))
        converged = residual <= tolerance * float(np.abs(values).max()) or step + 1 == size
        best = Eigenvalue(float(values[-1]), residual, step + 1, converged)
        if converged:
            break
        beside.append(left)
        vector = image / left
    return best
