"""Plain fine-tuning, then a bias a class, fitted on held-out examples.

    min over b of the mean over validation of CE(z_i + b, y_i),    sum of b = 0

z are the finished model's scores. The problem is convex; at its optimum the mean probability of every class is the
share of validation that is of it (bias-only recalibration; Alexandari et al. 2020). b goes into the classifier's own
bias.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize
from torch.nn import functional

from prunegap.errors import UserError
from prunegap.shapes import ClassFloats, ExampleInts, Logits
from prunegap.training.classifier import classifier_of, held_out_features
from prunegap.training.methods import Method

if TYPE_CHECKING:
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState

NAME = "bias_correction"


def best_bias(logits: Logits, labels: ExampleInts) -> ClassFloats:
    """Return the bias a class with the least mean cross entropy, in double precision; every class has an example."""
    logits = logits.double()
    share = torch.bincount(labels, minlength=logits.shape[1]).double() / len(labels)

    def loss_and_gradient(bias: np.ndarray) -> tuple[float, np.ndarray]:
        corrected = logits + torch.from_numpy(bias)
        gradient = corrected.softmax(dim=1).mean(dim=0) - share
        return float(functional.cross_entropy(corrected, labels)), gradient.numpy()

    options = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-9}
    solved = minimize(loss_and_gradient, np.zeros(len(share)), jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(solved.x)  # of sum 0: so is every gradient, and it starts at 0


def correct_bias(state: "TrainingState", plan: "TrainingPlan") -> Callable[[], None]:
    """Return what adds the best bias to the classifier's.

    Raises:
        UserError: the scores are not one linear layer's, it has no bias, or validation is not there or lacks a class.
    """
    name, head = classifier_of(NAME, state.model, plan)
    own = dict(head.named_parameters()).get("bias")
    if own is None:
        raise UserError(
            f"method {NAME} goes into the classifier's bias, and layer '{name}' of {type(state.model).__name__} has "
            "none; build it with one, or take last_layer"
        )

    def finish() -> None:
        held_out = held_out_features(state.model, head, plan)
        with torch.no_grad():
            logits = held_out.features @ head.weight.double().cpu().T + own.double().cpu()
            own.add_(best_bias(logits, held_out.labels).to(own))

    return finish


BIAS_CORRECTION = Method(
    NAME,
    summary="Plain fine-tuning, then a bias a class that is fitted on held-out examples.",
    finish=correct_bias,
    fits_on_validation=True,
)
