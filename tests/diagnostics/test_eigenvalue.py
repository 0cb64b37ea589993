"""Truth: matrices with eigenvalues that are given, or found by LAPACK."""

import pytest
import torch

from prunegap.diagnostics import largest_eigenvalue


def symmetric(values: list[float], seed: int = 0) -> torch.Tensor:
    """A matrix with these eigenvalues, in directions that are drawn."""
    generator = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator, dtype=torch.float64))
    return turned @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ turned.T


def largest(matrix: torch.Tensor, **options):
    return largest_eigenvalue(lambda vector: matrix @ vector, len(matrix), dtype=matrix.dtype, **options)


@pytest.mark.parametrize(
    "values",
    [
        [5.0, 4.9, 1.0, 0.1, *[0.001 * k for k in range(60)]],
        [2.0, -9.0, -8.0, *[0.01 * k for k in range(60)]],  # a negative one dominates
        [-1.0, -5.0, -30.0, *[-2.0 - 0.1 * k for k in range(60)]],  # all are negative
        [3.0, 3.0, 3.0, *[0.0] * 60],
    ],
)
def test_the_largest_is_found_whatever_dominates(values):
    found = largest(symmetric(values), tolerance=1e-7)
    assert found.converged
    assert found.value == pytest.approx(max(values), rel=1e-9)


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-4])
def test_an_eigenvalue_lies_within_the_residual_and_none_that_is_found_is_above_the_largest(tolerance):
    generator = torch.Generator().manual_seed(2)
    matrix = torch.randn(200, 200, generator=generator, dtype=torch.float64)
    matrix = matrix + matrix.T
    true = torch.linalg.eigvalsh(matrix)
    found = largest(matrix, tolerance=tolerance, iterations=200)
    assert found.converged
    assert (true - found.value).abs().min() <= found.residual <= tolerance * true.abs().max()
    assert found.value <= true[-1] + 1e-12
    if tolerance < 1e-3:
        assert found.value == pytest.approx(true[-1].item(), rel=1e-5)


def test_it_says_so_where_the_products_do_not_suffice():
    matrix = symmetric([10.0 - 0.01 * k for k in range(300)])
    found = largest(matrix, iterations=4, tolerance=1e-6)
    assert (found.converged, found.iterations) == (False, 4)
    assert found.residual > 1e-5
    more = largest(matrix, iterations=150, tolerance=1e-6)
    assert more.converged
    assert 4 < more.iterations < 150
    assert more.value == pytest.approx(10.0, rel=1e-9)


@pytest.mark.parametrize(("matrix", "value"), [([[0.0] * 5] * 5, 0.0), ([[7.0]], 7.0), ([[-7.0]], -7.0)])
def test_nothing_and_a_single_number_have_theirs_too(matrix, value):
    found = largest(torch.tensor(matrix, dtype=torch.float64))
    assert (found.value, found.converged) == (pytest.approx(value), True)


def test_a_small_matrix_ends_when_its_space_does():
    found = largest(symmetric([3.0, 2.0, -1.0]), tolerance=0.0)
    assert (found.iterations, found.value, found.converged) == (3, pytest.approx(3.0), True)


def test_in_single_precision_vectors_stay_orthogonal_enough():
    matrix = symmetric([100.0, 99.0, *[10 * 0.9**k for k in range(400)]]).float()
    found = largest(matrix, tolerance=1e-5)
    assert found.converged
    assert found.value == pytest.approx(100.0, rel=1e-5)
