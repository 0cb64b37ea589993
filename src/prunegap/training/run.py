"""Training as a generator of epoch entries: dense training, GMP and fine-tuning are the same loop.

The state between two epochs is all there is: saved and taken up again, a run goes on to the same bits (CPU).
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from prunegap.constraints.formulation import DenseReference
from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.data.batches import Batch, epoch_seed, training_batches
from prunegap.data.grouped import Split
from prunegap.errors import UserError
from prunegap.models.modes import enter_training
from prunegap.progress import track
from prunegap.pruning.filters import Filters, with_norm_masks
from prunegap.pruning.masks import MaskedParameters, sparsity_of
from prunegap.pruning.rules import PruningRule
from prunegap.pruning.schedule import PruningSchedule
from prunegap.pruning.seen import Seen
from prunegap.shapes import GroupFloats
from prunegap.training.epoch_totals import EpochTotals
from prunegap.training.inference import outcomes_of
from prunegap.training.methods import PLAIN, Method
from prunegap.training.recipe import Recipe
from prunegap.training.records import EpochEntry, optional
from prunegap.training.state import TrainingState
from prunegap.training.step import train_step
from prunegap.training.watch import tell

STEPS_BETWEEN_CHECKS = 100
"""Training that diverged stops there; each look waits for the device."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything about a training that does not change while it runs.

    Attributes:
        recipe: optimizer and step-size schedule.
        image_format: normalisation, precision and layout of the inputs.
        augmentation: random changes of the training images.
        seed: decides, with the epoch, order and augmentation.
        schedule: when to prune how much; None prunes nothing.
        prune: the pruning rule, from :func:`prunegap.pruning.rules.pruning_rule`.
        norms: filters behind norm parameters, from :func:`prunegap.pruning.layers.find_layers`.
        group_names: names of the groups, for the entries.
        autocast: precision of forward passes, None for that of the weights.
        validation: split whose accuracy is noted every epoch.
        evaluation_batch_size: examples a batch when that accuracy is measured.
        keep_best: keep the weights of the epoch with the best accuracy on ``selection``.
        selection: split that ``keep_best`` looks at (``validation`` where there is one).
        label: what a progress bar calls the work.
        reference: the dense model on the training set, for excess gaps in the entries.
        method: what of it is plain training: group weights, sampler, finish. The multipliers are the state's.
    """

    recipe: Recipe
    image_format: ImageFormat
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    schedule: PruningSchedule | None = None
    prune: PruningRule | None = None
    norms: Mapping[str, Sequence[Filters]] = field(default_factory=dict[str, Sequence[Filters]])
    group_names: tuple[str, ...] = ()
    autocast: torch.dtype | None = None
    validation: Split | None = None
    evaluation_batch_size: int = 256
    selection: Split | None = None
    keep_best: bool = False
    label: str = "training"
    reference: DenseReference | None = None
    method: Method = PLAIN["nft"]


def train(state: TrainingState, plan: TrainingPlan, split: Split, *, until: int) -> Iterator[EpochEntry]:
    """Train from ``state.epoch`` up to, not including, epoch ``until``; yield an entry after each epoch."""
    size, method = plan.recipe.batch_size, plan.method
    counts = split.group_counts(len(plan.group_names))
    weights = None if method.group_weights is None else method.group_weights(counts)
    steps = (until - state.epoch) * -(-len(split) // size)
    ticks = iter(track(range(steps), steps, plan.label, range(state.epoch, until)))
    while state.epoch < until:
        torch.manual_seed(epoch_seed(plan.seed, state.epoch))  # dropout draws from the global generator
        batches = training_batches(
            split,
            plan.image_format,
            plan.augmentation,
            batch_size=size,
            seed=plan.seed,
            epoch=state.epoch,
            sampler=method.sampler,
        )
        entry = run_epoch(state, plan, split, _ticking(batches, ticks), weights)
        state.entries.append(entry)
        tell(state.entries, plan.label)
        yield entry
    for _ in ticks:  # a last batch of one example is no step
        pass


def _ticking(batches: Iterable[Batch], ticks: Iterator[int]) -> Iterator[Batch]:
    for batch in batches:
        next(ticks, None)
        yield batch


def prune_if_due(state: TrainingState, plan: TrainingPlan, split: Split) -> None:
    """Remove weights if the schedule asks for it at the start of ``state.epoch``; a rule may look at ``split``."""
    if plan.schedule is None or plan.prune is None or not plan.schedule.prunes_at(state.epoch):
        return
    weights = {name: p for name, p in state.model.named_parameters() if name in state.masks and name not in plan.norms}
    seen = Seen(
        weights,
        {name: state.masks[name] for name in weights},
        state.model,
        split,
        plan.image_format,
        plan.recipe.batch_size,
        plan.group_names,
        plan.seed,
        plan.autocast,
        state.rule_memory,
    )
    state.masks = with_norm_masks(plan.prune(seen, plan.schedule.sparsity(state.epoch)), plan.norms)
    MaskedParameters(state.model, state.masks).apply()


def run_epoch(
    state: TrainingState,
    plan: TrainingPlan,
    split: Split,
    batches: Iterable[Batch],
    group_weights: GroupFloats | None = None,
) -> EpochEntry:
    """Prune if due, set the step size, train on ``batches`` of ``split``, and advance ``state.epoch``."""
    began = time.perf_counter()
    prune_if_due(state, plan, split)
    rate = plan.recipe.learning_rate_at(state.epoch)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    totals = _train_on(state, plan, batches, group_weights)
    loss = _finite_loss(state, plan, totals)
    validation = _accuracy(state.model, plan, plan.validation)
    if plan.keep_best:
        _keep_if_best(
            state,
            validation if plan.selection is plan.validation else _accuracy(state.model, plan, plan.selection),
        )
    dual = state.dual
    entry = EpochEntry(
        epoch=state.epoch,
        learning_rate=rate,
        sparsity=sparsity_of(state.masks),
        train_loss=loss,
        train_accuracy=totals.accuracy(),
        validation_accuracy=validation,
        multipliers={} if dual is None else dict(zip(dual.names, dual.multipliers.tolist(), strict=True)),
        violations={} if dual is None else dict(zip(dual.names, optional(dual.violations.tolist()), strict=True)),
        negative_weight_share=totals.negative_share(),
        seconds=time.perf_counter() - began,
        group_accuracy=_by_group(plan, totals.group_accuracy()),
        excess_gap={} if plan.reference is None else _by_group(plan, totals.excess_gap(plan.reference)),
    )
    state.epoch += 1
    return entry


def _train_on(
    state: TrainingState, plan: TrainingPlan, batches: Iterable[Batch], group_weights: GroupFloats | None
) -> EpochTotals:
    masked = MaskedParameters(state.model, state.masks)
    totals = EpochTotals(len(plan.group_names), next(state.model.parameters()).device)
    enter_training(state.model)
    for number, batch in enumerate(batches, 1):
        record = train_step(
            state.model,
            state.optimizer,
            masked,
            state.dual,
            batch,
            autocast=plan.autocast,
            group_weights=group_weights,
        )
        totals.add(record.loss, record.correct, record.weights, batch.groups)
        if state.dual is not None and state.tracer is not None:
            state.tracer.record(state.dual)
        if number % STEPS_BETWEEN_CHECKS == 0:
            _finite_loss(state, plan, totals)
    return totals


def _finite_loss(state: TrainingState, plan: TrainingPlan, totals: EpochTotals) -> float:
    loss = totals.mean_loss()
    if not math.isfinite(loss):
        raise UserError(
            f"{plan.label} diverged: the mean training loss of epoch {state.epoch} is {loss}; lower learning_rate, or "
            "dual_step_size if the method is constrained, or raise batch_size"
        )
    return loss


def _by_group(plan: TrainingPlan, values: Tensor) -> dict[str, float | None]:
    return dict(zip(plan.group_names, optional(values.tolist()), strict=True))


def _accuracy(model: nn.Module, plan: TrainingPlan, split: Split | None) -> float | None:
    if split is None:
        return None
    size = plan.evaluation_batch_size
    outcomes = outcomes_of(model, split, plan.image_format, batch_size=size, autocast=plan.autocast)
    return float(outcomes.correct.double().mean())


def _keep_if_best(state: TrainingState, accuracy: float | None) -> None:
    if accuracy is not None and accuracy > state.best_accuracy:
        state.best_accuracy, state.best_epoch = accuracy, state.epoch
        state.best_weights = {name: value.clone() for name, value in state.model.state_dict().items()}
