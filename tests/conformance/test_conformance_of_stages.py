"""Truth: the recordings, through the stages themselves: measure_baseline, prune, finetune and evaluate.

The images of the data set name the example; what the network receives for them are the recorded inputs, which are no
pixels, and epochs take the recorded order. Nothing else is put in the stages' way. Within 1e-6, masks identical.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from conformance.recording import Recording
from conformance.test_conformance import RUNS, close
from torch import Tensor

from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.model import StoredModel
from prunegap.artifacts.trained_models import DenseModel, DenseTraining
from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.models.spec import ModelSpec
from prunegap.stages.evaluate import EvaluateParams, evaluate
from prunegap.stages.finetune import FinetuneParams, finetune
from prunegap.stages.measure_baseline import MeasureBaselineParams, measure_baseline
from prunegap.stages.prune import PruneParams, prune
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.state import TrainingState

PARTS = {"train": "", "test": "t"}


class Witness(Checkpoint):
    """Compares weights and masks with the recording after every epoch."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.epochs: list[int] = []

    def resume(self, state: TrainingState) -> bool:  # noqa: ARG002
        return False

    def save(self, state: TrainingState) -> None:
        epoch = state.epoch - 1
        self.epochs.append(epoch)
        masks = {f"{name}.weight": mask for name, mask in self.recording.under(f"mask/{epoch:03d}/").items()}
        assert {name for name, mask in state.masks.items() if mask.dim() > 1} == masks.keys()
        assert all(torch.equal(state.masks[name], mask) for name, mask in masks.items()), f"masks of epoch {epoch}"
        parameters = dict(state.model.named_parameters())
        for name, weights in self.recording.under(f"epoch_weights/{epoch:03d}/").items():
            if name in parameters:
                mask = state.masks.get(name, torch.ones_like(weights))
                close(parameters[name].detach() * mask, weights * mask)


class Replay:
    """The values a recorded run began with."""

    def __init__(self, name: str) -> None:
        self.recording = Recording(name)
        self.config = self.recording.config
        self.order = self.recording.tensor("data/order")
        channels, size, _ = self.recording.arrays["data/x"].shape[1:]
        spec = ModelSpec(
            "conformance.recorded_network:" + {"mlp": "mlp", "cifarresnet": "resnet"}[self.config["arch"]],
            num_classes=5,
            in_channels=channels,
            image_size=size,
            class_names=tuple("abcde"),
            channel_mean=(0.0,) * channels,
            channel_std=(1.0,) * channels,
        )
        self.dense_model = DenseModel(
            StoredModel(spec, self.recording.under("init/"), {}, {}), DenseTraining("recorded", 0, 0)
        )
        splits = {part: self._split(letter) for part, letter in PARTS.items()}
        self.dataset = Dataset(GroupedDataset(splits, spec.class_names, "0123", spec.channel_mean, spec.channel_std))

    def _split(self, letter: str) -> Split:
        shape = self.recording.arrays[f"data/x{letter}"].shape
        images = torch.zeros(shape, dtype=torch.uint8)
        row = torch.arange(len(images))
        images[:, 0, 0, 0], images[:, 1, 0, 0], images[:, 2, 0, 0] = row // 256, row % 256, len(letter)
        labels, groups = self.recording.tensor(f"data/y{letter}"), self.recording.tensor(f"data/g{letter}")[:, 0]
        return Split(images, labels, groups)

    def inputs(self, images: Tensor) -> Tensor:
        """The recorded inputs of the examples that ``images`` names."""
        first, second, part = images[:, :3, 0, 0].long().T
        rows = first * 256 + second
        both = [self.recording.tensor(f"data/x{letter}") for letter in PARTS.values()]
        return torch.stack([both[which][row] for which, row in zip(part.tolist(), rows.tolist(), strict=True)])

    def batches(
        self, split: Split, image_format: ImageFormat, *_: object, batch_size: int, epoch: int, **__: object
    ) -> Iterator[Batch]:
        """An epoch in the recorded order."""
        assert batch_size == int(self.recording.arrays["data/bs"])
        for index in self.order[epoch].split(batch_size):
            yield Batch(image_format.inputs(split.images[index]), split.labels[index], split.groups[index])

    def prune_params(self) -> PruneParams:
        c = self.config
        return PruneParams(
            batch_size=32, learning_rate=c["lr"], momentum=c["momentum"], nesterov=c["nesterov"],
            weight_decay=c["wd"], milestones=c["milestones"], gamma=c["gamma"], sparsity=c["sparsity_final"],
            gmp_epochs=c["last_pruning_epoch"], finetune_epochs=c["epochs"] - c["last_pruning_epoch"],
            start_epoch=c["init_pruning_epoch"], prune_every=c["frequency"], initial_sparsity=c["sparsity_initial"],
        )  # fmt: skip

    def finetune_params(self) -> FinetuneParams:
        c = self.config
        with_buffers = {"nft": "nft", "ceag": "ceag", "el": "el_rb"}
        without = {"ceag": "ceag_no_rb", "el": "el"}
        names = with_buffers if c["buffer_memory"] else without
        return FinetuneParams(
            method=names[c["method"]], tolerance=c["tolerance"], dual_step_size=c["dual_lr"],
            buffer_size=c["buffer_memory"] or 1, overall_estimate="balanced",
            equality="absolute" if c["abs_equality"] else "signed",
        )  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_is_reproduced_by_the_stages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay(name)
    monkeypatch.setattr(ImageFormat, "inputs", lambda _, images: replay.inputs(images))
    monkeypatch.setattr("prunegap.training.run.training_batches", replay.batches)
    arrays = replay.recording.arrays
    dataset, dense_model = replay.dataset, replay.dense_model

    baseline = measure_baseline(MeasureBaselineParams(), dataset, dense_model)
    for part in PARTS:
        close(baseline.summary[part]["accuracy"], arrays[f"dense/{part}_avg_acc"])
        close(list(baseline.summary[part]["group_accuracy"].values()), arrays[f"dense/{part}_group_acc"])
    if "dense/train_group_loss" in arrays:
        close(list(baseline.summary["train"]["group_loss"].values()), arrays["dense/train_group_loss"])

    witness = Witness(replay.recording)
    handed: dict[str, Any] = {"checkpoint": witness, "tracker": NullTracker()}
    pruned = prune(replay.prune_params(), dataset, dense_model, baseline, **handed)
    made = finetune(replay.finetune_params(), dataset, baseline, pruned.sparse_model, **handed)
    assert witness.epochs == list(range(replay.config["epochs"]))
    for layer, weights in replay.recording.under("final_masked/").items():
        close(made.finetuned_model.network.state[f"{layer}.weight"], weights)
    compare_trace(replay, made.history.trace)

    evaluation = evaluate(EvaluateParams(), dataset, baseline, made.finetuned_model)
    last = f"eval/{replay.config['epochs'] - 1:03d}"
    for part in PARTS:
        split = evaluation.splits[part]
        close(split.value("accuracy"), arrays[f"{last}/{part}_avg_acc"])
        close([group.value("accuracy") for group in split.groups], arrays[f"{last}/{part}_group_acc"])
        close([group.value("loss") for group in split.groups], arrays[f"{last}/{part}_group_loss"])
        close(split.value("max_psi"), arrays[f"{last}/{part}_max_psi"])
        close(split.value("psi_pw"), arrays[f"{last}/{part}_psi_pw"])


def compare_trace(replay: Replay, trace: Any) -> None:
    arrays = replay.recording.arrays
    if replay.config["method"] == "nft":
        assert trace is None
        return
    first = int((arrays["step/epoch"] < replay.config["last_pruning_epoch"]).sum())
    column = [trace.names.index(name) for name in "0123"]
    assert trace.steps == list(range(len(arrays["step/epoch"]) - first))
    close(np.array(trace.violations, dtype=float)[:, column], arrays["step/strict"][first:])
    close(np.array(trace.multipliers)[:, column], arrays["step/mult"][first:])
