"""What a stored model does with every example of a data set, for the stages that judge models."""

import torch

from prunegap.artifacts.model import StoredModel, build_stored
from prunegap.data.grouped import GroupedDataset
from prunegap.gaps import Outcomes
from prunegap.progress import track
from prunegap.stages.checks import seen_by
from prunegap.stages.training_params import ComputeParams
from prunegap.training.evaluation import outcomes_of


def measure_splits(params: ComputeParams, stored: StoredModel, dataset: GroupedDataset) -> dict[str, Outcomes]:
    """Return the model's outcomes (on the CPU) on every split, in evaluation mode and without augmentation.

    Raises:
        UserError: the model takes other images or classes than the data set has.
    """
    dataset = seen_by(stored.spec, dataset)
    device = params.set_up()
    model = build_stored(stored).to(device)
    return {
        name: outcomes_of(
            model,
            split.to(device),
            params.image_format(dataset),
            batch_size=params.evaluation_batch_size,
            autocast=params.autocast(),
        ).to(torch.device("cpu"))
        for name, split in track(dataset.splits.items(), len(dataset.splits), "measuring")
    }
