"""What a stored model does with every example of a data set, for the stages that judge models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunegap.progress import track

if TYPE_CHECKING:
    import torch

    from prunegap.artifacts.baseline import Baseline
    from prunegap.artifacts.model import StoredModel
    from prunegap.constraints.formulation import DenseReference
    from prunegap.data.grouped import GroupedDataset
    from prunegap.gaps import Outcomes
    from prunegap.stages.training_params import ComputeParams


def measure_splits(params: ComputeParams, stored: StoredModel, data: GroupedDataset) -> dict[str, Outcomes]:
    """Return the model's outcomes (on the CPU) on every split, in evaluation mode and without augmentation.

    Raises:
        UserError: the model takes other images or classes than the data set has.
    """
    import torch

    from prunegap.artifacts.model import build_stored
    from prunegap.stages.checks import seen_by
    from prunegap.training.inference import outcomes_of

    data = seen_by(stored.spec, data)
    device = params.set_up()
    model = build_stored(stored).to(device)
    return {
        name: outcomes_of(
            model,
            split.to(device),
            params.image_format(data),
            batch_size=params.evaluation_batch_size,
            autocast=params.autocast(),
        ).to(torch.device("cpu"))
        for name, split in track(data.splits.items(), len(data.splits), "measuring")
    }


def dense_reference(baseline: Baseline, data: GroupedDataset, device: torch.device) -> DenseReference:
    """Return what the dense model does with the training set, on the device."""
    from prunegap.constraints.formulation import DenseReference
    from prunegap.constraints.measures import Examples
    from prunegap.gaps import performance

    split, outcomes = data.splits["train"], baseline.outcomes["train"].to(device)
    dense = performance(baseline.outcomes["train"], split.groups, data.num_groups)
    return DenseReference(
        dense.group_accuracy.to(device),
        dense.group_loss.to(device),
        dense.group_count.to(device),
        Examples(outcomes.loss, outcomes.correct, split.labels.to(device), outcomes.correct),
        split.groups.to(device),
    )
