"""finetune: continue a pruned model's training with one method, from its very state, to the end of its recipe."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.history import History
from prunegap.artifacts.trained_models import FinetunedModel, Finetuning, Pruning, SparseModel
from prunegap.errors import UserError
from prunegap.stages.contract import stage
from prunegap.stages.known_names import known_to
from prunegap.stages.measuring import dense_reference
from prunegap.stages.training_loop import train_with_checkpoints
from prunegap.stages.training_params import CHECKPOINT_EVERY, ComputeParams, DualParams
from prunegap.tracking.protocol import Tracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.methods import describe_method, find_method, method_code

if TYPE_CHECKING:
    import torch

    from prunegap.constraints.dual import DualState
    from prunegap.constraints.formulation import DenseReference
    from prunegap.data.grouped import GroupedDataset, Split
    from prunegap.training.methods import Method
    from prunegap.training.run import TrainingPlan
    from prunegap.training.state import TrainingState

logger = logging.getLogger(__name__)

MethodName = Annotated[str, known_to(describe_method)]


class FinetuneParams(ComputeParams, DualParams):
    """Parameters of finetune; recipe and seed are those of the pruned model, whose training it continues."""

    method: MethodName = Field(default="ceag", description="nft, ceag, or another that prunegap methods lists.")
    label: str = Field(
        default="",
        max_length=40,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        description="Name in tables and plots; empty: the method's name.",
    )
    tolerance: float = Field(
        default=0.01, ge=0, description="Allowed excess accuracy gap of a group (fraction; 0.01 is one point)."
    )

    checkpoint_every: int = CHECKPOINT_EVERY

    @property
    def shown_name(self) -> str:
        """The name in tables and plots."""
        return self.label or self.method

    def code(self) -> Mapping[str, str]:
        """Return the digests of the method's formulation and its controller."""
        return method_code(self.method, self.controller)


@dataclass(frozen=True)
class Finetuned:
    """What finetune gives."""

    finetuned_model: FinetunedModel
    history: History


@stage
def finetune(
    params: FinetuneParams,
    dataset: Dataset,
    baseline: Baseline,
    sparse_model: SparseModel,
    *,
    checkpoint: Checkpoint,
    tracker: Tracker,
) -> Finetuned:
    """Fine-tune a pruned model with one method."""
    from prunegap.stages.checks import seen_by
    from prunegap.training.step_tracer import StepTracer

    data, pruning = seen_by(sparse_model.network.spec, dataset.data), sparse_model.trained_by
    device = params.set_up()
    splits = {name: split.to(device) for name, split in data.splits.items()}
    method = find_method(params.method)
    reference = dense_reference(baseline, data, device)
    plan = _plan(params, sparse_model.trained_by, method, data, splits=splits, reference=reference)
    state = _pruned_state(params, sparse_model, plan, device)
    if method.constrained is not None:
        steps = (pruning.recipe.epochs - pruning.gmp_epochs) * -(-len(splits["train"]) // pruning.recipe.batch_size)
        state.dual, state.tracer = _dual(params, method, data, reference), StepTracer(steps)
        if method.constrained.buffers:
            _warn_of_buffers_that_never_fill(params, data, pruning.recipe.epochs - pruning.gmp_epochs)
    train_with_checkpoints(
        state,
        plan,
        splits["train"],
        until=pruning.recipe.epochs,
        checkpoint=checkpoint,
        every=params.checkpoint_every,
        tracker=tracker,
    )
    _warn_of_negative_weights(params, state)
    return _finetuned(params, sparse_model, state)


def _plan(
    params: FinetuneParams,
    pruning: Pruning,
    method: Method,
    data: GroupedDataset,
    *,
    splits: Mapping[str, Split],
    reference: DenseReference,
) -> TrainingPlan:
    from prunegap.training.run import TrainingPlan

    validation = splits.get("validation")
    if method.keeps == "best_on_validation" and validation is None:
        raise UserError(
            f"method {method.name} picks its epoch on held-out examples, and this data set has no validation split; "
            "set prepare_data's validation_share above 0, or use nft_es_on_test, which picks on the test split as the "
            "paper did"
        )
    return TrainingPlan(
        pruning.recipe,
        params.image_format(data),
        pruning.augmentation,
        seed=pruning.seed,
        group_names=tuple(data.group_names),
        autocast=params.autocast(),
        validation=validation,
        evaluation_batch_size=params.evaluation_batch_size,
        selection=splits["test"] if method.keeps == "best_on_test" else validation,
        keep_best=method.keeps != "last",
        label=method.name,
        reference=reference,
        method=method,
    )


def _pruned_state(
    params: FinetuneParams, sparse_model: SparseModel, plan: TrainingPlan, device: torch.device
) -> TrainingState:
    from prunegap.artifacts.model import build_stored
    from prunegap.training.state import TrainingState

    model = params.place(build_stored(sparse_model.network), device)
    optimizer = plan.recipe.optimizer(model)
    optimizer.load_state_dict(deepcopy(dict(sparse_model.optimizer_state)))  # torch would train the given momentum on
    masks = {name: mask.to(device) for name, mask in sparse_model.network.masks.items()}
    return TrainingState(model, optimizer, masks, epoch=sparse_model.trained_by.gmp_epochs)


def _dual(params: FinetuneParams, method: Method, data: GroupedDataset, reference: DenseReference) -> DualState:
    from prunegap.constraints.dual import DualState
    from prunegap.constraints.formulation import FormulationSettings

    assert method.constrained is not None
    return DualState(
        method.constrained,
        FormulationSettings(params.tolerance, params.equality),
        params.dual_settings(),
        reference,
        list(data.group_names),
    )


def _warn_of_buffers_that_never_fill(params: FinetuneParams, data: GroupedDataset, epochs: int) -> None:
    counts: list[int] = data.splits["train"].group_counts(data.num_groups).tolist()
    short = {name: n for name, n in zip(data.group_names, counts, strict=True) if n * epochs < params.buffer_size}
    if short:
        logger.warning(
            "%s: buffer_size %d is more than %d epochs have examples of %s, so that they are never measured and "
            "no constraint helps them; lower buffer_size, or fine-tune longer",
            params.shown_name,
            params.buffer_size,
            epochs,
            ", ".join(f"{name} ({n} an epoch)" for name, n in short.items()),
        )


def _warn_of_negative_weights(params: FinetuneParams, state: TrainingState) -> None:
    worst = max(entry.negative_weight_share for entry in state.entries)
    if worst > 0:
        logger.warning(
            "%s: up to %.1f %% of an epoch's examples had a negative weight (multipliers of a batch sum above 1); "
            "a smaller dual_step_size keeps training stable",
            params.shown_name,
            100 * worst,
        )


def _finetuned(params: FinetuneParams, sparse_model: SparseModel, state: TrainingState) -> Finetuned:
    from prunegap.artifacts.model import StoredModel

    pruning, best = sparse_model.trained_by, state.best_weights
    trained_by = Finetuning(
        pruning=pruning,
        method=params.method,
        label=params.label,
        summary=find_method(params.method).summary,
        tolerance=params.tolerance,
        epoch=state.best_epoch if best else state.epoch - 1,
        seconds=sum(entry.seconds for entry in state.entries),
    )
    network = StoredModel(sparse_model.network.spec, best or state.model.state_dict(), state.masks, {})
    trace = None if state.dual is None or state.tracer is None else state.tracer.trace(state.dual.names)
    measure = None if state.dual is None else state.dual.formulation.measures
    history = History(
        params.method,
        pruning.seed,
        pruning.sparsity,
        params.tolerance,
        tuple(state.entries),
        trace,
        params.effective(),
        label=params.label,
        measures="" if measure is None else measure.name,
        unit="" if measure is None else measure.unit,
    )
    return Finetuned(FinetunedModel(network, trained_by), history)
