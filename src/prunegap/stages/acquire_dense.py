"""acquire_dense: a dense model, trained here, taken from somewhere, or both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from prunegap.acquisition.identity import weights_identity
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.history import History
from prunegap.artifacts.trained_models import DenseModel, DenseTraining
from prunegap.errors import UserError, did_you_mean
from prunegap.models.names import model_code, model_names
from prunegap.remote.location import default_cache_dir
from prunegap.stages.contract import NO_EFFECT, stage
from prunegap.stages.training_loop import train_with_checkpoints
from prunegap.stages.training_params import DualParams, TrainingParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

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

    def outside(self) -> Mapping[str, str]:
        """Return the digest of the weights it starts from."""
        return weights_identity(self.weights, self.sha256) if self.weights else {}

    def code(self) -> Mapping[str, str]:
        """Return the digest of the code that builds the network."""
        return model_code(self.model)


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
    from prunegap.models.spec import ModelSpec
    from prunegap.training.run import TrainingPlan, TrainingState

    data = dataset.data
    device = params.set_up()
    channels, size, _ = data.image_shape
    spec = ModelSpec(params.model, data.num_classes, channels, size)
    model = params.place(_initial_model(params, spec), device)
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
        label="dense model",
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
        params.method, params.seed, params.epochs, params.weights, next(iter(params.code().values()), "")
    )
    return Acquired(
        DenseModel(StoredModel(spec, model.state_dict(), {}, {}), trained_by),
        History(params.method, params.seed, 0.0, 0.0, tuple(state.entries), None, params.effective()),
    )


def _initial_model(params: AcquireDenseParams, spec: ModelSpec) -> nn.Module:
    import torch

    from prunegap.acquisition.fetch import fetch_weights
    from prunegap.acquisition.fit import fit_weights
    from prunegap.acquisition.read import read_weights
    from prunegap.models.build import build
    from prunegap.models.dry_run import blank_images
    from prunegap.remote.web import shown

    torch.manual_seed(params.seed)
    model = build(spec)
    if params.weights:
        cache = Path(params.cache_dir) if params.cache_dir else default_cache_dir()
        path = fetch_weights(params.weights, sha256=params.sha256, cache=cache)
        try:
            fit_weights(model, read_weights(path), params.head_rows or None, params.replace_head, blank_images(spec))
        except UserError as error:
            raise UserError(f"{shown(params.weights)} for model {params.model}: {error}") from error
    return model


def _log_layers(model: nn.Module, images: Tensor) -> None:
    from prunegap.pruning.layers import find_layers

    try:
        logger.info("pruning this model: %s", find_layers(model, images).why_dense())
    except UserError as error:
        logger.warning("prune will refuse this model unless its keep_dense helps: %s", error)


def _dual(params: AcquireDenseParams, data: GroupedDataset, split: Split) -> DualState | None:
    if params.method == "nft":
        return None
    import torch

    from prunegap.constraints.dual import DualSettings, DualState
    from prunegap.constraints.formulation import DenseReference, FormulationSettings, constrained_method

    nothing = torch.zeros(data.num_groups, device=split.groups.device)  # equalised loss looks at no dense model
    return DualState(
        constrained_method(params.method),
        FormulationSettings(tolerance=0.0, equality=params.equality),
        DualSettings(params.dual_step_size, params.buffer_size, params.overall_estimate),
        DenseReference(nothing, nothing, split.group_counts(data.num_groups)),
        list(data.group_names),
    )
