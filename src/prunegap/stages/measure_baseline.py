"""measure_baseline: what the dense model does with every example, and how well, per group."""

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.trained_models import DenseModel
from prunegap.stages.contract import stage
from prunegap.stages.measuring import measure_splits
from prunegap.stages.training_params import ComputeParams


class MeasureBaselineParams(ComputeParams):
    """Parameters of measure_baseline."""


@stage
def measure_baseline(params: MeasureBaselineParams, dataset: Dataset, dense_model: DenseModel) -> Baseline:
    """Measure the dense model's accuracy and loss, overall and per group, on every split."""
    return Baseline.measured(measure_splits(params, dense_model.network, dataset.data), dataset.data)
