"""finetune: continue a pruned model's training with one method, from its very state, to the end of its recipe."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field, field_validator

from prunegap.artifacts.baseline import load_outcomes
from prunegap.artifacts.dataset import load_dataset
from prunegap.artifacts.history import History, save_history
from prunegap.artifacts.model import StoredModel, build_stored, load_model, save_model
from prunegap.artifacts.training_state import load_training_state
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.errors import UserError
from prunegap.gaps import performance
from prunegap.stages.checks import require_same_source, seen_by
from prunegap.stages.contract import (
    BaselinePath,
    DatasetPath,
    DenseModelPath,
    FinetunedModelPath,
    HistoryPath,
    SparseModelPath,
    open_checkpoint,
    stage,
)
from prunegap.stages.prune import PruneParams
from prunegap.stages.training_params import DualParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.methods import Method, find_method
from prunegap.training.records import EpochEntry, StepTracer
from prunegap.training.run import TrainingPlan, TrainingState, train

logger = logging.getLogger(__name__)


class FinetuneParams(DualParams):
    """Parameters of finetune; recipe, device and seed are those of the pruned model, whose training it continues."""

    method: str = Field(default="ceag", description="nft, nft_es, nft_es_on_test, or the name of a constrained method.")
    label: str = Field(
        default="",
        max_length=40,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        description="Name in tables and plots; empty: the method's name.",
    )
    tolerance: float = Field(
        default=0.01, ge=0, description="Allowed excess accuracy gap of a group (fraction; 0.01 is one point)."
    )

    @field_validator("method")
    @classmethod
    def _method_is_known(cls, name: str) -> str:
        try:
            find_method(name)
        except UserError as error:
            raise ValueError(str(error)) from None
        return name

    @property
    def shown_name(self) -> str:
        """The name in tables and plots."""
        return self.label or self.method


@dataclass(frozen=True)
class FinetuneInputs:
    """Artifacts finetune reads."""

    dataset: DatasetPath
    dense_model: DenseModelPath
    baseline: BaselinePath
    sparse_model: SparseModelPath


@dataclass(frozen=True)
class FinetuneOutputs:
    """Artifacts finetune writes."""

    finetuned_model: FinetunedModelPath
    history: HistoryPath


@stage()
def finetune(params: FinetuneParams, inputs: FinetuneInputs, outputs: FinetuneOutputs, tracker: Tracker) -> None:
    """Fine-tune a pruned model with one method."""
    require_same_source(inputs.baseline, "baseline", "dataset", inputs.dataset, "dataset")
    require_same_source(inputs.baseline, "baseline", "dense_model", inputs.dense_model, "dense_model")
    require_same_source(inputs.sparse_model, "sparse_model", "dense_model", inputs.dense_model, "dense_model")
    dataset = load_dataset(inputs.dataset)
    stored = load_model(inputs.sparse_model)
    dataset = seen_by(stored.spec, dataset)
    recipe = PruneParams.model_validate(stored.metadata["prune"])
    device = recipe.set_up()
    splits = {name: split.to(device) for name, split in dataset.splits.items()}
    method = find_method(params.method)
    reference = _reference(inputs.baseline, dataset, device)
    plan = _plan(recipe, method, dataset, splits, reference)
    state = _pruned_state(stored, inputs.sparse_model, recipe, plan)
    steps = recipe.finetune_epochs * -(-len(splits["train"]) // recipe.batch_size)
    if method.constrained is not None:
        state.dual = _dual(params, method, dataset, reference)
        state.tracer = StepTracer(steps)
    checkpoint = open_checkpoint(params, inputs, outputs.finetuned_model)
    if checkpoint.resume(state):
        for entry in state.entries:
            tracker.log_metrics(epoch_metrics(entry), entry.epoch)
    tracker.log_input(inputs.dataset, "dataset")
    until = recipe.gmp_epochs + recipe.finetune_epochs
    for entry in train(state, plan, splits["train"], until=until):
        tracker.log_metrics(epoch_metrics(entry), entry.epoch)
        if state.epoch % recipe.checkpoint_every == 0:
            checkpoint.save(state)
    _save(params, outputs, stored, state)
    tracker.log_artifact(outputs.history, "history")
    worst = max(entry.negative_weight_share for entry in state.entries)
    if worst > 0:
        logger.warning(
            "%s: up to %.1f %% of an epoch's examples had a negative weight (multipliers of a batch sum above 1); "
            "a smaller dual_step_size keeps training stable",
            params.shown_name,
            100 * worst,
        )


def epoch_metrics(entry: EpochEntry) -> dict[str, float]:
    """Return what a tracker shows of one epoch; what was not observed is left out."""
    metrics: dict[str, float | None] = {
        "train_loss": entry.train_loss,
        "train_accuracy": entry.train_accuracy,
        "validation_accuracy": entry.validation_accuracy,
        "learning_rate": entry.learning_rate,
        "overall_sparsity": entry.sparsity,
    }
    metrics |= {f"group_accuracy/{name}": value for name, value in entry.group_accuracy.items()}
    metrics |= {f"excess_gap/{name}": value for name, value in entry.excess_gap.items()}
    if entry.multipliers:
        metrics["negative_weight_share"] = entry.negative_weight_share
        metrics |= {f"multiplier/{name}": value for name, value in entry.multipliers.items()}
        metrics |= {f"violation/{name}": value for name, value in entry.violations.items()}
    return {name: value for name, value in metrics.items() if value is not None}


def _reference(baseline: BaselinePath, dataset: GroupedDataset, device: torch.device) -> DenseReference:
    dense = performance(load_outcomes(baseline)["train"], dataset.splits["train"].groups, dataset.num_groups)
    return DenseReference(dense.group_accuracy.to(device), dense.group_loss.to(device), dense.group_count.to(device))


def _plan(
    recipe: PruneParams,
    method: Method,
    dataset: GroupedDataset,
    splits: dict[str, Split],
    reference: DenseReference,
) -> TrainingPlan:
    validation = splits.get("validation")
    if method.keeps == "best_on_validation" and validation is None:
        raise UserError(
            f"method {method.name} picks its epoch on held-out examples, and this data set has no validation split; "
            "set prepare_data's validation_share above 0, or use nft_es_on_test, which picks on the test split as the "
            "paper did"
        )
    return TrainingPlan(
        recipe.recipe(recipe.gmp_epochs + recipe.finetune_epochs),
        recipe.image_format(dataset),
        recipe.augmentation(),
        seed=recipe.seed,
        group_names=tuple(dataset.group_names),
        autocast=recipe.autocast(),
        validation=validation,
        selection=splits["test"] if method.keeps == "best_on_test" else validation,
        keep_best=method.keeps != "last",
        label=method.name,
        reference=reference,
    )


def _pruned_state(
    stored: StoredModel, folder: SparseModelPath, recipe: PruneParams, plan: TrainingPlan
) -> TrainingState:
    device = recipe.set_up()
    model = recipe.place(build_stored(stored), device)
    optimizer = plan.recipe.optimizer(model)
    optimizer.load_state_dict(load_training_state(folder))
    masks = {name: mask.to(device) for name, mask in (stored.masks or {}).items()}
    return TrainingState(model, optimizer, masks, epoch=recipe.gmp_epochs)


def _dual(params: FinetuneParams, method: Method, dataset: GroupedDataset, reference: DenseReference) -> DualState:
    assert method.constrained is not None
    return DualState(
        method.constrained,
        FormulationSettings(params.tolerance, params.equality),
        DualSettings(params.dual_step_size, params.buffer_size, params.overall_estimate),
        reference,
        list(dataset.group_names),
    )


def _save(params: FinetuneParams, outputs: FinetuneOutputs, stored: StoredModel, state: TrainingState) -> None:
    best = state.best_weights
    weights = best or state.model.state_dict()
    seed, sparsity = stored.metadata["prune"]["seed"], stored.metadata["prune"]["sparsity"]
    kept = state.best_epoch if best else state.epoch - 1
    metadata: dict[str, Any] = {
        "prune": stored.metadata["prune"],
        "finetune": params.model_dump(mode="json"),
        "sparsity": state.entries[-1].sparsity,
        "epoch": kept,
        "seconds": sum(entry.seconds for entry in state.entries),
    }
    save_model(outputs.finetuned_model, stored.spec, weights, state.masks, metadata)
    trace = None if state.dual is None or state.tracer is None else state.tracer.trace(state.dual.names)
    save_history(
        outputs.history,
        History(params.shown_name, seed, sparsity, params.tolerance, tuple(state.entries), trace),
    )
