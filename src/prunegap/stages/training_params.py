"""Parameters shared by the stages that run a network, and the core objects they stand for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from prunegap.errors import UserError
from prunegap.stages.known_names import known
from prunegap.stages.named_options import OwnOptions, own_options
from prunegap.stages.params import NO_EFFECT, StageParams

if TYPE_CHECKING:
    import torch
    from torch import nn

    from prunegap.constraints.dual import DualSettings
    from prunegap.data.augment import Augmentation, ImageFormat
    from prunegap.data.grouped import GroupedDataset
    from prunegap.training.recipe import Recipe

logger = logging.getLogger(__name__)

CHECKPOINT_EVERY = Field(default=1, ge=1, description="Epochs between two checkpoints.", json_schema_extra=NO_EFFECT)


class ComputeParams(StageParams):
    """Where and in which precision a network runs."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Device to run on; auto takes a GPU where there is one.",
        json_schema_extra=NO_EFFECT,
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Precision of forward and backward passes; weights stay float32."
    )
    channels_last: bool = Field(
        default=False,
        description="Keep images and convolutions in channels-last layout (often faster on GPUs and CPUs).",
    )
    evaluation_batch_size: int = Field(default=256, ge=1, description="Examples a batch when a model is evaluated.")
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads; 0 leaves it to torch. Small networks gain nothing from a second one.",
        json_schema_extra=NO_EFFECT,
    )

    def set_up(self) -> torch.device:
        """Set the number of threads and return the device asked for.

        Raises:
            UserError: a GPU was asked for and there is none.
        """
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device: cuda was asked for, but torch finds no GPU; use device: cpu or auto")
        if self.threads:
            torch.set_num_threads(self.threads)
        wanted = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        if wanted == "cuda" and (seen := torch.cuda.device_count()) > 1:
            logger.warning("one GPU is used of the %d seen here: a stage does not train over several", seen)
        return torch.device(wanted)

    def autocast(self) -> torch.dtype | None:
        """Return the precision of forward passes, None for that of the weights."""
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else None

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Move a model that is to be trained to ``device``, in the memory layout asked for."""
        model = model.to(device)
        if self.channels_last:
            import torch

            model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model

    def image_format(self, dataset: GroupedDataset) -> ImageFormat:
        """Return how a data set's images become inputs."""
        from prunegap.data.augment import ImageFormat

        return ImageFormat(tuple(dataset.channel_mean), tuple(dataset.channel_std), channels_last=self.channels_last)


class TrainingParams(ComputeParams):
    """How a network is trained: SGD with step-size milestones."""

    batch_size: int = Field(default=128, ge=1, description="Examples a training batch.")
    learning_rate: float = Field(default=0.01, gt=0, description="Initial step size of SGD.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(default=False, description="Use Nesterov's form of momentum.")
    weight_decay: float = Field(default=1e-4, ge=0, description="L2 weight decay on all parameters.")
    milestones: tuple[float, ...] = Field(
        default=(0.6, 0.8, 0.9), description="Fractions of all epochs at which the step size is multiplied by gamma."
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="Factor of the step size at each milestone.")
    flip: bool = Field(default=False, description="Flip training images horizontally, half of them at random.")
    shift: int = Field(default=0, ge=0, description="Shift training images by up to so many pixels each way.")
    checkpoint_every: int = CHECKPOINT_EVERY

    def recipe(self, epochs: int) -> Recipe:
        """Return the optimizer settings for a run of ``epochs`` in all."""
        from prunegap.training.recipe import Recipe

        return Recipe(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            milestones=self.milestones,
            gamma=self.gamma,
        )

    def augmentation(self) -> Augmentation:
        """Return the random changes of training images."""
        from prunegap.data.augment import Augmentation

        return Augmentation(flip=self.flip, shift=self.shift)


class DualParams(StageParams):
    """The dual side of a constrained method."""

    controller: Annotated[str, known("controllers")] = Field(
        default="gradient_ascent",
        description="How the multipliers follow the violations: gradient_ascent, pi, or the controller of an installed "
        "package.",
    )
    controller_options: OwnOptions = Field(
        default=(),
        description="Options of the controller, each as name=value: bound (largest multiplier); of pi also "
        "proportional and smoothing.",
    )
    dual_step_size: float = Field(default=1e-3, gt=0, description="Step size of the multipliers (dual ascent).")
    buffer_size: int = Field(default=40, ge=1, description="Replay-buffer capacity k: measurements kept a group.")
    overall_estimate: Literal["share", "balanced"] = Field(
        default="share",
        description="How the overall accuracy is estimated from the buffers: weighted by the groups' shares of the "
        "training set, or their plain mean as in the authors' published code.",
    )
    equality: Literal["signed", "absolute"] = Field(
        default="signed",
        description="Equality constraints (el, el_rb): multipliers of either sign, or of the absolute difference as "
        "in the released configurations.",
    )

    @model_validator(mode="after")
    def _controller_takes_its_options(self) -> Self:
        if self.controller_options:  # or else nothing is imported
            try:
                self.dual_settings().controller(self.dual_step_size)
            except UserError as error:
                raise ValueError(str(error)) from None
        return self

    def dual_settings(self) -> DualSettings:
        """Return the settings of the dual side."""
        from prunegap.constraints.controllers import controller
        from prunegap.constraints.dual import DualSettings

        make = controller(self.controller, own_options(self.controller_options))
        return DualSettings(self.dual_step_size, self.buffer_size, self.overall_estimate, make)
