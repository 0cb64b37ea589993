"""Plain fine-tuning, then the last layer anew, on held-out examples with every group counting alike (Kirichenko 2023).

    min over W, b of (1 / G) sum_g mean over g in validation of CE(W f_i + b, y_i) + (decay / 2) (|W|^2 + |b|^2)

f are the finished model's features, decay is the training's weight_decay; the problem is strictly convex. The paper
("deep feature reweighting", DFR) drops examples until groups are equally large and takes an l1 penalty that it tunes;
we weigh the examples, which wastes none, and tune nothing. What is pruned of the layer stays pruned.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize
from torch.nn import functional

from prunegap.errors import UserError
from prunegap.shapes import ClassifierFloats
from prunegap.training.classifier import HeldOutFeatures, classifier_of, held_out_features
from prunegap.training.methods import Method

if TYPE_CHECKING:
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState

NAME = "last_layer"


def best_layer(
    held_out: HeldOutFeatures, start: ClassifierFloats, kept: ClassifierFloats, decay: float
) -> ClassifierFloats:
    """Return the optimum in double precision.

    Args:
        held_out: features with labels and groups, a feature of ones among them for the bias.
        start: a row of weights a class, to start from.
        kept: 1 for what may differ from 0, else 0.
        decay: strength of the penalty, > 0.
    """
    counts = torch.bincount(held_out.groups).double()
    weights = 1 / ((counts > 0).sum() * counts[held_out.groups])
    wanted = functional.one_hot(held_out.labels, len(start)).double()

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        layer = torch.from_numpy(flat).view_as(start)
        scores = held_out.features @ layer.T
        losses = functional.cross_entropy(scores, held_out.labels, reduction="none")
        slope = (weights[:, None] * (scores.softmax(dim=1) - wanted)).T @ held_out.features + decay * layer
        value = torch.dot(weights, losses) + decay / 2 * layer.square().sum()
        return float(value), (slope * kept).flatten().numpy()

    options = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-8}
    # What starts at 0 and never has a slope stays 0.
    first = (start * kept).flatten().numpy()
    solved = minimize(loss_and_gradient, first, jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(solved.x).view_as(start)


def retrain_last_layer(state: "TrainingState", plan: "TrainingPlan") -> Callable[[], None]:
    """Return what puts the optimum into the classifier.

    Raises:
        UserError: the scores are not one linear layer's, there is no weight decay, or validation is not there or
            lacks a class.
    """
    name, head = classifier_of(NAME, state.model, plan)
    if plan.recipe.weight_decay == 0:
        raise UserError(
            f"method {NAME} penalises the layer it fits with weight_decay, which is 0: without it there may be no best "
            "layer; set prune's weight_decay (of a dense model: acquire_dense's) above 0"
        )

    @torch.no_grad()
    def finish() -> None:
        held_out = held_out_features(state.model, head, plan)
        bias = dict(head.named_parameters()).get("bias")
        mask = state.masks.get(f"{name}.weight", torch.ones_like(head.weight))
        layer, kept = _with_bias(head.weight, bias), _with_bias(mask, None if bias is None else torch.ones_like(bias))
        ones = torch.ones(len(held_out.labels), 1, dtype=torch.float64)
        features = torch.cat([held_out.features, ones], dim=1)
        best = best_layer(
            HeldOutFeatures(features, held_out.labels, held_out.groups), layer, kept, plan.recipe.weight_decay
        )
        head.weight.copy_(best[:, :-1])
        if bias is not None:
            bias.copy_(best[:, -1])

    return finish


def _with_bias(weight: torch.Tensor, bias: torch.Tensor | None) -> ClassifierFloats:
    bias = torch.zeros(len(weight)) if bias is None else bias
    return torch.cat([weight.detach().double().cpu(), bias.detach().double().cpu()[:, None]], dim=1)


LAST_LAYER = Method(
    NAME,
    summary="Plain fine-tuning, then the last layer anew, on held-out examples with every group counting alike.",
    finish=retrain_last_layer,
    fits_on_validation=True,
)
