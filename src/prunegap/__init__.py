"""Prune a classifier and bound what pruning costs each group in accuracy."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from prunegap.auditing.arrays import audit_arrays as audit
    from prunegap.tracking.mlflow_metrics import mlflow_metric

__all__ = ["__version__", "audit", "mlflow_metric"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - imported when it is asked for, for numpy and scipy take their time
    if name == "audit":
        from prunegap.auditing.arrays import audit_arrays

        return audit_arrays
    if name == "mlflow_metric":
        from prunegap.tracking.mlflow_metrics import mlflow_metric

        return mlflow_metric
    raise AttributeError(f"module 'prunegap' has no attribute '{name}'")
