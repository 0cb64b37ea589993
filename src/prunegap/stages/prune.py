"""prune: gradual magnitude pruning, or one shot, up to the start of the first epoch at the final sparsity."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator

from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.model import build_stored, load_model, save_model
from prunegap.artifacts.training_state import save_training_state
from prunegap.pruning.magnitude import prune_globally, prune_layerwise
from prunegap.pruning.masks import dense_masks, layer_sparsities, norms_after, sparsity_of
from prunegap.pruning.schedule import PruningSchedule
from prunegap.stages.checks import seen_by
from prunegap.stages.contract import (
    DatasetPath,
    DenseModelPath,
    SparseModelPath,
    open_checkpoint,
    stage,
)
from prunegap.stages.training_params import TrainingParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.run import TrainingPlan, TrainingState, prune_if_due, train


class PruneParams(TrainingParams):
    """Parameters of prune; the recipe holds for fine-tuning too, which continues this training."""

    sparsity: float = Field(default=0.9, ge=0, lt=1, description="Share of prunable weights set to zero.")
    rule: Literal["layerwise", "global"] = Field(
        default="layerwise", description="Prune the smallest weights of each layer, or of all layers together."
    )
    gmp_epochs: int = Field(
        default=15, ge=0, description="Epochs of gradual pruning before the final sparsity; 0 prunes in one shot."
    )
    finetune_epochs: int = Field(default=45, ge=1, description="Epochs of fine-tuning at the final sparsity.")
    start_epoch: int = Field(default=0, ge=0, description="First epoch that prunes.")
    prune_every: int = Field(default=1, ge=1, description="Epochs between two prunings.")
    initial_sparsity: float = Field(default=0.0, ge=0, lt=1, description="Sparsity at the first pruning.")
    seed: int = Field(default=0, ge=0, description="Decides batch order, augmentation and dropout.")

    @model_validator(mode="after")
    def _schedule_is_in_order(self) -> Self:
        if self.start_epoch > self.gmp_epochs:
            raise ValueError(f"start_epoch must be <= gmp_epochs ({self.gmp_epochs}), got {self.start_epoch}")
        if self.initial_sparsity > self.sparsity:
            raise ValueError(f"initial_sparsity must be <= sparsity ({self.sparsity}), got {self.initial_sparsity}")
        return self


@dataclass(frozen=True)
class PruneInputs:
    """Artifacts prune reads."""

    dataset: DatasetPath
    dense_model: DenseModelPath


@dataclass(frozen=True)
class PruneOutputs:
    """Artifacts prune writes."""

    sparse_model: SparseModelPath


@stage()
def prune(params: PruneParams, inputs: PruneInputs, outputs: PruneOutputs, tracker: Tracker) -> None:
    """Zero the smallest weights of a dense model, gradually, training in between."""
    device = params.set_up()
    dataset = load_dataset(inputs.dataset)
    stored = load_model(inputs.dense_model)
    dataset = seen_by(stored.spec, dataset)
    model = params.place(build_stored(stored), device)
    split = dataset.splits["train"].to(device)
    plan = TrainingPlan(
        params.recipe(params.gmp_epochs + params.finetune_epochs),
        params.image_format(dataset),
        params.augmentation(),
        seed=params.seed,
        schedule=_schedule(params),
        prune=prune_globally if params.rule == "global" else prune_layerwise,
        norms=norms_after(model, params.image_format(dataset).inputs(split.images[:2])),
        group_names=tuple(dataset.group_names),
        autocast=params.autocast(),
        label=f"pruning to {params.sparsity:.1%}",
    )
    state = TrainingState(model, plan.recipe.optimizer(model), dense_masks(model))
    checkpoint = open_checkpoint(params, inputs, outputs.sparse_model)
    checkpoint.resume(state)
    tracker.log_input(inputs.dataset, "dataset")
    for entry in train(state, plan, split, until=params.gmp_epochs):
        tracker.log_metrics(
            {
                "train_loss": entry.train_loss,
                "train_accuracy": entry.train_accuracy,
                "overall_sparsity": entry.sparsity,
            },
            entry.epoch,
        )
        if state.epoch % params.checkpoint_every == 0:
            checkpoint.save(state)
    prune_if_due(state, plan)
    metadata = {"prune": params.model_dump(mode="json"), "sparsity": sparsity_of(state.masks)}
    save_model(outputs.sparse_model, stored.spec, model.state_dict(), state.masks, metadata)
    save_training_state(outputs.sparse_model, state.optimizer.state_dict())
    layers = {f"sparsity/{name}": value for name, value in layer_sparsities(state.masks).items()}
    tracker.log_metrics(layers | {"overall_sparsity": sparsity_of(state.masks)}, params.gmp_epochs)
    tracker.log_model(outputs.sparse_model, "sparse_model", {"sparsity": sparsity_of(state.masks)})


def _schedule(params: PruneParams) -> PruningSchedule:
    return PruningSchedule(
        final_sparsity=params.sparsity,
        end=params.gmp_epochs,
        start=params.start_epoch,
        every=params.prune_every,
        initial_sparsity=params.initial_sparsity,
    )
