"""Why a group is at risk when a model is pruned, from the dense model alone (Tran et al. 2022).

Their Theorem 1 bounds how much the loss J of a group rises when pruning moves the parameters by d:
``J_g(theta + d) - J_g(theta) <= ||grad J_g|| * ||d|| + lambda_max(Hessian J_g) / 2 * ||d||^2 + O(||d||^3)``.
"""

from prunegap.diagnostics.eigenvalue import Eigenvalue, largest_eigenvalue
from prunegap.diagnostics.group_loss import GroupLoss, Slope
from prunegap.diagnostics.groups import GroupDiagnosis, diagnose_groups

__all__ = ["Eigenvalue", "GroupDiagnosis", "GroupLoss", "Slope", "diagnose_groups", "largest_eigenvalue"]
