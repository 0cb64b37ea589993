"""prune: gradual magnitude pruning, or one shot, up to the start of the first epoch at the final sparsity."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.history import History
from prunegap.artifacts.trained_models import DenseModel, Pruning, SparseModel
from prunegap.extensions import extension_code
from prunegap.stages.contract import stage
from prunegap.stages.known_names import known
from prunegap.stages.measuring import dense_reference
from prunegap.stages.training_loop import train_with_checkpoints
from prunegap.stages.training_params import TrainingParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from prunegap.constraints.formulation import DenseReference
    from prunegap.data.grouped import GroupedDataset, Split
    from prunegap.pruning.layers import Layers
    from prunegap.training.run import TrainingPlan

logger = logging.getLogger(__name__)


class PruneParams(TrainingParams):
    """Parameters of prune; the recipe holds for fine-tuning too, which continues this training."""

    sparsity: float = Field(default=0.9, ge=0, lt=1, description="Share of prunable weights set to zero.")
    rule: Annotated[str, known("pruning_rules")] = Field(
        default="layerwise",
        description="Which weights go: the smallest of each layer (layerwise) or of all (global), by importance to "
        "groups (fairgrape), or an installed package's rule.",
    )
    keep_dense: tuple[str, ...] = Field(
        default=(),
        description="Layers to leave dense besides the input layer and the classifier, by the names the network gives "
        "them; a module's name stands for all layers in it.",
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

    def code(self) -> Mapping[str, str]:
        """Return the digest of the pruning rule."""
        return extension_code("pruning_rules", self.rule)


@dataclass(frozen=True)
class Pruned:
    """What prune gives."""

    sparse_model: SparseModel
    history: History


@stage
def prune(
    params: PruneParams,
    dataset: Dataset,
    dense_model: DenseModel,
    baseline: Baseline,
    *,
    checkpoint: Checkpoint,
    tracker: Tracker,
) -> Pruned:
    """Zero weights of a dense model, gradually, training in between."""
    from prunegap.artifacts.model import StoredModel, build_stored
    from prunegap.pruning.layers import find_layers
    from prunegap.pruning.masks import sparsity_of
    from prunegap.stages.checks import seen_by
    from prunegap.training.run import prune_if_due
    from prunegap.training.state import TrainingState

    spec = dense_model.network.spec
    data = seen_by(spec, dataset.data)
    device = params.set_up()
    model = params.place(build_stored(dense_model.network), device)
    splits = {name: data.splits[name].to(device) for name in ("train", "validation") if name in data.splits}
    layers = find_layers(model, params.image_format(data).inputs(splits["train"].images[:2]), params.keep_dense)
    masks = layers.first_masks(params.sparsity)
    logger.info("%s", layers.why_dense())
    plan = _plan(params, data, layers, splits.get("validation"), dense_reference(baseline, data, device))
    state = TrainingState(model, plan.recipe.optimizer(model), masks)
    train_with_checkpoints(
        state,
        plan,
        splits["train"],
        until=params.gmp_epochs,
        checkpoint=checkpoint,
        every=params.checkpoint_every,
        tracker=tracker,
    )
    prune_if_due(state, plan, splits["train"])
    achieved = sparsity_of(state.masks)
    pruning = Pruning(
        recipe=plan.recipe,
        augmentation=plan.augmentation,
        gmp_epochs=params.gmp_epochs,
        seed=params.seed,
        sparsity=params.sparsity,
        achieved_sparsity=achieved,
        rule=params.rule,
        layers=layers.summary(),
    )
    return Pruned(
        SparseModel(StoredModel(spec, model.state_dict(), state.masks, {}), state.optimizer.state_dict(), pruning),
        History("gmp", params.seed, achieved, 0.0, tuple(state.entries), None, params.effective()),
    )


def _plan(
    params: PruneParams, data: GroupedDataset, layers: Layers, validation: Split | None, reference: DenseReference
) -> TrainingPlan:
    from prunegap.pruning.rules import pruning_rule
    from prunegap.pruning.schedule import PruningSchedule
    from prunegap.training.run import TrainingPlan

    return TrainingPlan(
        params.recipe(params.gmp_epochs + params.finetune_epochs),
        params.image_format(data),
        params.augmentation(),
        seed=params.seed,
        schedule=PruningSchedule(
            final_sparsity=params.sparsity,
            end=params.gmp_epochs,
            start=params.start_epoch,
            every=params.prune_every,
            initial_sparsity=params.initial_sparsity,
        ),
        prune=pruning_rule(params.rule),
        norms=layers.norms,
        group_names=tuple(data.group_names),
        autocast=params.autocast(),
        validation=validation,
        evaluation_batch_size=params.evaluation_batch_size,
        label=f"pruning to {params.sparsity:.1%}",
        reference=reference,
    )
