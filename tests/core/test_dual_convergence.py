r"""Truth: saddle points of the Lagrangian solved by hand.

One parameter x, three examples of group A with loss x^2 / 2 and one of group B with loss (x - 2)^2 / 2. So
L = 3/4 A + 1/4 B, B - A = 2 - 2x, A - L = -(B - A) / 4, B - L = 3 (B - A) / 4 and L' = x - 1/2 (optimum 1/2).

Equalized loss, A = B = L: x = 1. Multipliers start at 0 and move along the violations (-1/4, 3/4) s, so
0 = L' + s (1/16 + 9/16) (B - A)' = 1/2 - 5/4 s gives s = 2/5, multipliers (-1/10, 3/10).

Excess loss of at most t = 3/10 over a dense model of loss 0: B binds, 3/4 (2 - 2x) = 3/10, x = 4/5;
0 = L' - 3/2 m = 3/10 - 3/2 m gives m = 1/5; A's excess is -1/10 < t, so its multiplier is 0.
With t = 2 nothing binds: x = 1/2, both multipliers 0.
"""

import pytest
import torch
from core.dual_setup import dual_state

from prunegap.constraints.dual import DualState
from prunegap.constraints.formulation import ConstrainedMethod
from prunegap.constraints.formulations.excess_loss_gaps import ExcessLossGaps

GROUPS = torch.tensor([0, 0, 0, 1])
CENTRES = torch.tensor([0.0, 0.0, 0.0, 2.0], dtype=torch.float64)


def solve(dual: DualState, steps: int = 250) -> float:
    x = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (x - CENTRES).square() / 2
        weights = dual.step(loss.detach(), torch.zeros(4, dtype=torch.bool), GROUPS)
        (weights * loss).sum().backward()
        optimizer.step()
    return float(x.detach())


@pytest.mark.parametrize(("method", "capacity"), [("el", 1), ("el_rb", 1), ("el_rb", 3)])
def test_equalized_loss_reaches_the_saddle_point(method, capacity):
    dual = dual_state(method, [3, 1], step_size=0.4, capacity=capacity)
    assert solve(dual) == pytest.approx(1, abs=1e-3)
    assert dual.multipliers.tolist() == pytest.approx([-0.1, 0.3], abs=1e-3)
    assert dual.violations.tolist() == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize(("tolerance", "x", "multipliers"), [(0.3, 0.8, [0, 0.2]), (2.0, 0.5, [0, 0])])
@pytest.mark.parametrize("buffers", [True, False])
def test_a_bounded_excess_reaches_the_karush_kuhn_tucker_point(buffers, tolerance, x, multipliers):
    method = ConstrainedMethod("excess_loss", ExcessLossGaps, buffers)
    dual = dual_state(method, [3, 1], step_size=0.4, capacity=1, tolerance=tolerance)
    assert solve(dual) == pytest.approx(x, abs=1e-3)
    assert dual.multipliers.tolist() == pytest.approx(multipliers, abs=1e-3)
    assert float(dual.multipliers.min()) >= 0
