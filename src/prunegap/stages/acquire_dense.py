"""acquire_dense: a dense model, trained here, taken from somewhere, or both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import nn

from prunegap.acquisition.meaning import Meaning
from prunegap.acquisition.start import WantedWeights, fresh_model, model_from
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.model import save_model
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError, did_you_mean
from prunegap.models.build import NAMES
from prunegap.models.spec import ModelSpec
from prunegap.sources.registry import default_cache_dir
from prunegap.stages.checks import seen_by
from prunegap.stages.contract import (
    NO_EFFECT,
    DatasetPath,
    DenseModelPath,
    open_checkpoint,
    stage,
)
from prunegap.stages.training_params import DualParams, TrainingParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.methods import find_dense_method
from prunegap.training.run import TrainingPlan, TrainingState, train


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
    method: str = Field(
        default="nft",
        description="nft (plain training), or a method that compares with no dense model: el, el_rb (equalised loss, "
        "Tran et al.: fair before pruning), or your own.",
    )
    seed: int = Field(default=0, ge=0, description="Decides the fresh weights, batch order, augmentation and dropout.")
    cache_dir: str = Field(default="", description="Where downloaded weights are kept.", json_schema_extra=NO_EFFECT)

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, name: str) -> str:
        if ":" not in name and name not in NAMES:
            hint = did_you_mean(name, NAMES)
            raise ValueError(f"model '{name}' is not known{hint} (your own is written package.module:function)")
        return name

    @field_validator("method")
    @classmethod
    def _method_trains_dense_models(cls, name: str) -> str:
        try:
            find_dense_method(name)
        except UserError as error:
            raise ValueError(str(error)) from None
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
        stated = Meaning(self.weights_classes, self.weights_mean, self.weights_std)
        return WantedWeights(self.weights, self.sha256, self.head_rows, self.replace_head, stated)


@dataclass(frozen=True)
class AcquireDenseInputs:
    """Artifacts acquire_dense reads."""

    dataset: DatasetPath


@dataclass(frozen=True)
class AcquireDenseOutputs:
    """Artifacts acquire_dense writes."""

    dense_model: DenseModelPath


@stage()
def acquire_dense(
    params: AcquireDenseParams, inputs: AcquireDenseInputs, outputs: AcquireDenseOutputs, tracker: Tracker
) -> None:
    """Train a dense model, or take its weights from a file, the web, S3, torchvision or MLflow."""
    device = params.set_up()
    dataset = load_dataset(inputs.dataset)
    spec, model = _initial_model(params, dataset)
    dataset = seen_by(spec, dataset)
    model = params.place(model, device)
    split = dataset.splits["train"].to(device)
    validation = dataset.splits["validation"].to(device) if "validation" in dataset.splits else None
    plan = TrainingPlan(
        params.recipe(params.epochs),
        params.image_format(dataset),
        params.augmentation(),
        seed=params.seed,
        group_names=tuple(dataset.group_names),
        autocast=params.autocast(),
        validation=validation,
        label="dense model",
    )
    state = TrainingState(model, plan.recipe.optimizer(model), {}, dual=_dual(params, dataset, split))
    checkpoint = open_checkpoint(params, inputs, outputs.dense_model)
    checkpoint.resume(state)
    tracker.log_input(inputs.dataset, "dataset")
    for entry in train(state, plan, split, until=params.epochs):
        tracker.log_metrics({"train_loss": entry.train_loss, "train_accuracy": entry.train_accuracy}, entry.epoch)
        if state.epoch % params.checkpoint_every == 0:
            checkpoint.save(state)
    seconds = sum(entry.seconds for entry in state.entries)
    metadata = {"acquire_dense": params.model_dump(mode="json"), "seconds": seconds}
    save_model(outputs.dense_model, spec, model.state_dict(), metadata=metadata)
    tracker.log_model(outputs.dense_model, "dense_model", {})


def _initial_model(params: AcquireDenseParams, dataset: GroupedDataset) -> tuple[ModelSpec, nn.Module]:
    if not params.weights:
        return fresh_model(params.model, dataset, params.seed)
    cache = Path(params.cache_dir) if params.cache_dir else default_cache_dir()
    return model_from(params.model, dataset, params.seed, params.wanted_weights(), cache)


def _dual(params: AcquireDenseParams, dataset: GroupedDataset, split: Split) -> DualState | None:
    constrained = find_dense_method(params.method).constrained
    if constrained is None:
        return None
    nothing = torch.zeros(dataset.num_groups, device=split.groups.device)  # a method that needs it is refused
    return DualState(
        constrained,
        FormulationSettings(tolerance=0.0, equality=params.equality),
        DualSettings(params.dual_step_size, params.buffer_size, params.overall_estimate),
        DenseReference(nothing, nothing, split.group_counts(dataset.num_groups)),
        list(dataset.group_names),
    )
