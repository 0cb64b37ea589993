"""Training as a generator of epoch entries: dense training, GMP and fine-tuning are the same loop.

The state between two epochs is all there is: saved and taken up again, a run goes on to the same bits (CPU).
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunegap.constraints.dual import DualState
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
from prunegap.shapes import GroupFloats
from prunegap.training.epoch_totals import EpochTotals
from prunegap.training.inference import outcomes_of
from prunegap.training.methods import PLAIN, Method
from prunegap.training.recipe import Recipe
from prunegap.training.records import EpochEntry, optional
from prunegap.training.step import train_step
from prunegap.training.step_tracer import StepTracer


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


@dataclass
class TrainingState:
    """Everything about a training that changes, between two epochs; ``epoch`` is the next one."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    masks: dict[str, Tensor]
    epoch: int = 0
    dual: DualState | None = None
    tracer: StepTracer | None = None
    entries: list[EpochEntry] = field(default_factory=list[EpochEntry])
    best_accuracy: float = -1.0
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def state_dict(self) -> dict[str, Any]:
        """Return the whole state as nested plain values and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "masks": self.masks,
            "epoch": self.epoch,
            "dual": None if self.dual is None else self.dual.state_dict(),
            "tracer": None if self.tracer is None else self.tracer.state_dict(),
            "entries": [asdict(entry) for entry in self.entries],
            "best": {"accuracy": self.best_accuracy, "epoch": self.best_epoch, "weights": self.best_weights},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of :meth:`state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        device = next(self.model.parameters()).device
        self.masks = {name: mask.to(device) for name, mask in state["masks"].items()}
        self.epoch = state["epoch"]
        if self.dual is not None:
            self.dual.load_state_dict(state["dual"])
        if self.tracer is not None:
            self.tracer.load_state_dict(state["tracer"])
        self.entries = [EpochEntry(**entry) for entry in state["entries"]]
        best = state["best"]
        self.best_accuracy, self.best_epoch, self.best_weights = (
            best["accuracy"],
            best["epoch"],
            best["weights"],
        )


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
        entry = run_epoch(state, plan, _ticking(batches, ticks), weights)
        state.entries.append(entry)
        yield entry
    for _ in ticks:  # a last batch of one example is no step
        pass


def _ticking(batches: Iterable[Batch], ticks: Iterator[int]) -> Iterator[Batch]:
    for batch in batches:
        next(ticks, None)
        yield batch


def prune_if_due(state: TrainingState, plan: TrainingPlan) -> None:
    """Remove weights if the schedule asks for it at the start of ``state.epoch``."""
    if plan.schedule is None or plan.prune is None or not plan.schedule.prunes_at(state.epoch):
        return
    weights = {name: p for name, p in state.model.named_parameters() if name in state.masks and name not in plan.norms}
    masks = {name: state.masks[name] for name in weights}
    state.masks = with_norm_masks(plan.prune(weights, masks, plan.schedule.sparsity(state.epoch)), plan.norms)
    MaskedParameters(state.model, state.masks).apply()


def run_epoch(
    state: TrainingState, plan: TrainingPlan, batches: Iterable[Batch], group_weights: GroupFloats | None = None
) -> EpochEntry:
    """Prune if due, set the step size, train on ``batches``, and advance ``state.epoch``."""
    began = time.perf_counter()
    prune_if_due(state, plan)
    rate = plan.recipe.learning_rate_at(state.epoch)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    masked = MaskedParameters(state.model, state.masks)
    totals = EpochTotals(len(plan.group_names), next(state.model.parameters()).device)
    enter_training(state.model)
    for batch in batches:
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
    loss = totals.mean_loss()
    if not math.isfinite(loss):
        raise UserError(
            f"{plan.label} diverged: the mean training loss of epoch {state.epoch} is {loss}; lower learning_rate, or "
            "dual_step_size if the method is constrained, or raise batch_size"
        )
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
