"""acquire_dense: a dense model, trained here, taken from somewhere, or both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import nn

from prunegap.acquisition.fetch import fetch_weights
from prunegap.acquisition.fit import fit_weights
from prunegap.acquisition.read import read_weights
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.model import save_model
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings, constrained_method
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError, did_you_mean
from prunegap.models.build import build
from prunegap.models.names import model_names
from prunegap.models.spec import ModelSpec
from prunegap.remote.location import default_cache_dir
from prunegap.remote.web import shown
from prunegap.stages.contract import (
    NO_EFFECT,
    DatasetPath,
    DenseModelPath,
    open_checkpoint,
    stage,
)
from prunegap.stages.training_params import DualParams, TrainingParams
from prunegap.tracking.protocol import Tracker
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
        default=False, description="Start the classifier afresh where it has another number of classes."
    )
    epochs: int = Field(default=50, ge=0, description="Epochs of dense training; 0 takes the weights as they are.")
    method: Literal["nft", "el", "el_rb"] = Field(
        default="nft",
        description="Plain training, or equalised loss over the groups (Tran et al.: fair before pruning).",
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
    channels, size, _ = dataset.image_shape
    spec = ModelSpec(params.model, dataset.num_classes, channels, size)
    model = params.place(_initial_model(params, spec), device)
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


def _initial_model(params: AcquireDenseParams, spec: ModelSpec) -> nn.Module:
    torch.manual_seed(params.seed)
    model = build(spec)
    if params.weights:
        cache = Path(params.cache_dir) if params.cache_dir else default_cache_dir()
        path = fetch_weights(params.weights, sha256=params.sha256, cache=cache)
        try:
            fit_weights(model, read_weights(path), params.head_rows or None, params.replace_head)
        except UserError as error:
            raise UserError(f"{shown(params.weights)} for model {params.model}: {error}") from error
    return model


def _dual(params: AcquireDenseParams, dataset: GroupedDataset, split: Split) -> DualState | None:
    if params.method == "nft":
        return None
    nothing = torch.zeros(dataset.num_groups, device=split.groups.device)  # equalised loss looks at no dense model
    return DualState(
        constrained_method(params.method),
        FormulationSettings(tolerance=0.0, equality=params.equality),
        DualSettings(params.dual_step_size, params.buffer_size, params.overall_estimate),
        DenseReference(nothing, nothing, split.group_counts(dataset.num_groups)),
        list(dataset.group_names),
    )
