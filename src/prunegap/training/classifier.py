"""The last layer of a network, and what it is given: for methods that fit it anew on held-out examples."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from prunegap.data.batches import evaluation_batches
from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.models.modes import evaluation_mode
from prunegap.models.trace import trace_image
from prunegap.shapes import ExampleInts, FeatureFloats, Inputs

if TYPE_CHECKING:
    from prunegap.training.run import TrainingPlan


@dataclass(frozen=True)
class HeldOutFeatures:
    """What the classifier is given for each held-out example, on the CPU in double precision."""

    features: FeatureFloats
    labels: ExampleInts
    groups: ExampleInts


def held_out(method: str, plan: "TrainingPlan") -> Split:
    """Return the validation split.

    Raises:
        UserError: there is none.
    """
    if plan.validation is None:
        raise UserError(
            f"method {method} is fitted on held-out examples, and this data set has no validation split; set "
            "prepare_data's validation_share above 0"
        )
    return plan.validation


def classifier_of(method: str, model: nn.Module, plan: "TrainingPlan") -> tuple[str, nn.Linear]:
    """Return the linear layer whose outputs are the scores, with its name.

    Raises:
        UserError: there is no validation split, it lacks a class, or the scores are made otherwise.
    """
    split = held_out(method, plan)
    images = plan.image_format.inputs(split.images[:2])
    names = sorted(trace_image(model, images).classifier)
    name = names[0].removesuffix(".weight")
    head = model.get_submodule(name) if len(names) == 1 and names[0].endswith(".weight") else None
    if not isinstance(head, nn.Linear) or not _makes_the_scores(model, head, images):
        raise UserError(
            f"method {method} needs a model whose scores are the outputs of one linear layer; those of "
            f"{type(model).__name__} are made by {', '.join(names)}; take another method"
        )
    missing = set(range(head.out_features)) - set(split.labels.tolist())
    if missing:
        raise UserError(
            f"method {method} is fitted on held-out examples, and validation has none of class {min(missing)} (counted "
            "from 0); set prepare_data's validation_share higher"
        )
    return name, head


@torch.no_grad()
def held_out_features(model: nn.Module, head: nn.Linear, plan: "TrainingPlan") -> HeldOutFeatures:
    """Run ``model`` over the validation split without augmentation and note what ``head`` is given."""
    assert plan.validation is not None
    split, given = plan.validation, list[Tensor]()
    hook = head.register_forward_pre_hook(lambda _, args: given.append(args[0].double().cpu()))
    try:
        with evaluation_mode(model):
            for batch in evaluation_batches(split, plan.image_format, batch_size=plan.evaluation_batch_size):
                with torch.autocast(batch.inputs.device.type, dtype=plan.autocast, enabled=plan.autocast is not None):
                    model(batch.inputs)
    finally:
        hook.remove()
    return HeldOutFeatures(torch.cat(given), split.labels.cpu(), split.groups.cpu())


@torch.no_grad()
def _makes_the_scores(model: nn.Module, head: nn.Linear, images: Inputs) -> bool:
    outputs: list[Any] = []
    hook = head.register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        with evaluation_mode(model):
            scores = model(images)
    finally:
        hook.remove()
    return len(outputs) == 1 and outputs[0].shape == scores.shape and bool(torch.equal(outputs[0], scores))
