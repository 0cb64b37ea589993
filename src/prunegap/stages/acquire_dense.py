"""acquire_dense: a dense model, trained here, taken from somewhere, or both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, field_validator, model_validator

from prunegap.acquisition.weights_identity import weights_identity
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.history import History
from prunegap.artifacts.trained_models import DenseModel, DenseTraining
from prunegap.errors import UserError, did_you_mean
from prunegap.models.known_models import model_code, model_names
from prunegap.remote.location import default_cache_dir
from prunegap.stages.contract import stage
from prunegap.stages.known_names import known_to
from prunegap.stages.params import NO_EFFECT
from prunegap.stages.training_loop import train_with_checkpoints
from prunegap.stages.training_params import DualParams, TrainingParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.methods import find_dense_method, method_code

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunegap.acquisition.start import WantedWeights
    from prunegap.constraints.dual import DualState
    from prunegap.data.grouped import GroupedDataset, Split
    from prunegap.models.spec import ModelSpec

logger = logging.getLogger(__name__)


class AcquireDenseParams(TrainingParams, DualParams):
    """Parameters of acquire_dense."""

    model: str = Field(
        default="small_cnn",
        description="small_cnn, cifar_resnet20/32/44/56, mobilenet_v2, resnet18/34/50, vgg19, or your own as "
        "module:function.",
    )
    weights: str = Field(
        default="",
        description="Weights to start from: a file or folder, http(s)://, s3://, models:/name/version (MLflow "
        "registry), torchvision:<weights enum>; empty: a fresh network.",
    )
    sha256: str = Field(
        default="", description="sha256 of the weights, or its first 8 digits or more; empty: unchecked."
    )
    head_rows: tuple[int, ...] = Field(
        default=(), description="Rows of the stored classifier that are our classes, in order."
    )
    replace_head: bool = Field(
        default=False, description="Start the classifier afresh where it has other classes, or another number of them."
    )
    weights_classes: tuple[str, ...] = Field(
        default=(),
        description="Classes the weights are for, in the order of their scores; empty: what a model of ours says "
        "itself, else the data set's in its order.",
    )
    weights_mean: tuple[float, ...] = Field(
        default=(),
        description="Normalisation the weights were trained with, in units of 0..1, a value a channel; empty: what the "
        "model (ours, torchvision's) says itself, else the data set's.",
    )
    weights_std: tuple[float, ...] = Field(default=(), description="As weights_mean: the standard deviations, > 0.")
    epochs: int = Field(default=50, ge=0, description="Epochs of dense training; 0 takes the weights as they are.")
    method: Annotated[str, known_to(find_dense_method)] = Field(
        default="nft",
        description="nft (plain training), or a method that compares with no dense model: el, el_rb (equalised loss, "
        "Tran et al.: fair before pruning), or your own.",
    )
    seed: int = Field(default=0, ge=0, description="Decides the fresh weights, batch order, augmentation and dropout.")
    cache_dir: str = Field(default="", description="Where downloaded weights are kept.", json_schema_extra=NO_EFFECT)

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, name: str) -> str:
        if ":" not in name and name not in model_names():
            hint = did_you_mean(name, model_names())
            raise ValueError(f"model '{name}' is not known{hint} (your own is written package.module:function)")
        return name

    @model_validator(mode="after")
    def _what_weights_mean_is_whole(self) -> Self:
        stated = {name: getattr(self, name) for name in ("weights_classes", "weights_mean", "weights_std")}
        useless = [name for name, value in stated.items() if value and not self.weights]
        if useless:
            raise ValueError(f"{useless[0]} says what weights mean, and weights names none")
        if len(self.weights_mean) != len(self.weights_std) or not all(std > 0 for std in self.weights_std):
            raise ValueError(
                "weights_mean and weights_std must be given together, a value a channel, std > 0; got "
                f"{list(self.weights_mean)} and {list(self.weights_std)}"
            )
        if len(set(self.weights_classes)) < len(self.weights_classes):
            raise ValueError(f"weights_classes must be distinct, got {list(self.weights_classes)}")
        if self.weights_classes and self.head_rows:
            raise ValueError("weights_classes names the rows that head_rows chooses by number; give one of the two")
        return self

    def wanted_weights(self) -> WantedWeights:
        """Return which weights to start from, and what is said of them."""
        from prunegap.acquisition.meaning import Meaning
        from prunegap.acquisition.start import WantedWeights

        stated = Meaning(self.weights_classes, self.weights_mean, self.weights_std)
        return WantedWeights(self.weights, self.sha256, self.head_rows, self.replace_head, stated)

    def outside(self) -> Mapping[str, str]:
        """Return the digest of the weights it starts from."""
        return weights_identity(self.weights, self.sha256) if self.weights else {}

    def code(self) -> Mapping[str, str]:
        """Return the digests of the code that builds the network, of the method and of its controller."""
        return model_code(self.model) | method_code(self.method, self.controller)


@dataclass(frozen=True)
class Acquired:
    """What acquire_dense gives."""

    dense_model: DenseModel
    history: History


@stage
def acquire_dense(
    params: AcquireDenseParams, dataset: Dataset, *, checkpoint: Checkpoint, tracker: Tracker
) -> Acquired:
    """Train a dense model, or take its weights from a file, the web, S3, torchvision or MLflow."""
    from prunegap.artifacts.model import StoredModel
    from prunegap.stages.checks import seen_by
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState

    device = params.set_up()
    spec, model = _initial_model(params, dataset.data)
    data = seen_by(spec, dataset.data)
    model = params.place(model, device)
    split = data.splits["train"].to(device)
    _log_layers(model, params.image_format(data).inputs(split.images[:2]))
    plan = TrainingPlan(
        params.recipe(params.epochs),
        params.image_format(data),
        params.augmentation(),
        seed=params.seed,
        group_names=tuple(data.group_names),
        autocast=params.autocast(),
        validation=data.splits["validation"].to(device) if "validation" in data.splits else None,
        evaluation_batch_size=params.evaluation_batch_size,
        label="dense model",
        method=find_dense_method(params.method),
    )
    state = TrainingState(model, plan.recipe.optimizer(model), {}, dual=_dual(params, data, split))
    train_with_checkpoints(
        state,
        plan,
        split,
        until=params.epochs,
        checkpoint=checkpoint,
        every=params.checkpoint_every,
        tracker=tracker,
    )
    trained_by = DenseTraining(
        params.method, params.seed, params.epochs, params.weights, "".join(model_code(params.model).values())
    )
    return Acquired(
        DenseModel(StoredModel(spec, model.state_dict(), {}, {}), trained_by),
        History(params.method, params.seed, 0.0, 0.0, tuple(state.entries), None, params.effective()),
    )


def _initial_model(params: AcquireDenseParams, data: GroupedDataset) -> tuple[ModelSpec, nn.Module]:
    from prunegap.acquisition.start import fresh_model, model_from

    if not params.weights:
        return fresh_model(params.model, data, params.seed)
    cache = Path(params.cache_dir) if params.cache_dir else default_cache_dir()
    return model_from(params.model, data, params.seed, params.wanted_weights(), cache)


def _log_layers(model: nn.Module, images: Tensor) -> None:
    from prunegap.pruning.layers import find_layers

    try:
        logger.info("pruning this model: %s", find_layers(model, images).why_dense())
    except UserError as error:
        logger.warning("prune will refuse this model unless its keep_dense helps: %s", error)


def _dual(params: AcquireDenseParams, data: GroupedDataset, split: Split) -> DualState | None:
    constrained = find_dense_method(params.method).constrained
    if constrained is None:
        return None
    import torch

    from prunegap.constraints.dual import DualState
    from prunegap.constraints.formulation import DenseReference, FormulationSettings
    from prunegap.constraints.measures import Examples

    nothing = torch.zeros(data.num_groups, device=split.groups.device)  # a method that needs it is refused
    unknown = Examples(
        torch.zeros(len(split), device=nothing.device), torch.zeros_like(split.labels).bool(), split.labels
    )
    return DualState(
        constrained,
        FormulationSettings(tolerance=0.0, equality=params.equality),
        params.dual_settings(),
        DenseReference(nothing, nothing, split.group_counts(data.num_groups), unknown, split.groups),
        list(data.group_names),
    )
