"""A recorded run of the published implementation, replayed with ours."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings, constrained_method
from prunegap.data.augment import ImageFormat
from prunegap.data.batches import Batch
from prunegap.pruning.layers import Layers, find_layers
from prunegap.pruning.rules import pruning_rule
from prunegap.pruning.schedule import PruningSchedule
from prunegap.training.recipe import Recipe
from prunegap.training.run import TrainingPlan
from prunegap.training.state import TrainingState

FOLDER = Path(__file__).parent / "recordings"
OURS = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1", "main.": ""}


def our_name(recorded: str) -> str:
    for theirs, ours in OURS.items():
        recorded = recorded.replace(theirs, ours)
    return recorded


class Recording:
    def __init__(self, name: str) -> None:
        self.arrays: dict[str, np.ndarray] = dict(np.load(FOLDER / f"{name}.npz", allow_pickle=False))
        self.config: dict[str, Any] = ast.literal_eval(str(self.arrays["cfg"]))

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[key]))

    def under(self, prefix: str) -> dict[str, Tensor]:
        return {our_name(k[len(prefix) :]): self.tensor(k) for k in self.arrays if k.startswith(prefix)}

    def batches(self, epoch: int) -> Iterator[Batch]:
        x, y, g = self.inputs("data/x"), self.tensor("data/y"), self.tensor("data/g")
        for index in self.tensor("data/order")[epoch].split(int(self.arrays["data/bs"])):
            yield Batch(x[index], y[index], g[index, 0])

    def inputs(self, key: str) -> Tensor:
        x = self.tensor(key)
        return x.flatten(1) if self.config["arch"] == "mlp" else x

    def test_data(self, part: str) -> tuple[Tensor, Tensor, Tensor]:
        x, y, g = ("x", "y", "g") if part == "train" else ("xt", "yt", "gt")
        return self.inputs(f"data/{x}"), self.tensor(f"data/{y}"), self.tensor(f"data/{g}")[:, 0]

    def network(self) -> nn.Module:
        if self.config["arch"] == "mlp":
            h = self.config["hidden"]
            model: nn.Module = _mlp([12, *h, 5])
        else:
            from prunegap.models.cifar_resnet import CifarResNet

            model = CifarResNet(self.config["resnet_layers"], num_classes=5, in_channels=3)
        model = model.double()
        model.load_state_dict(self.under("init/"))
        return model

    def state(self) -> TrainingState:
        model = self.network()
        return TrainingState(model, self.recipe().optimizer(model), self.layers(model).first_masks())

    def layers(self, model: nn.Module) -> Layers:
        return find_layers(model, self.inputs("data/x")[:2])

    def recipe(self) -> Recipe:
        c = self.config
        return Recipe(
            epochs=c["epochs"], learning_rate=c["lr"], momentum=c["momentum"], nesterov=c["nesterov"],
            weight_decay=c["wd"], milestones=c["milestones"], gamma=c["gamma"],
        )  # fmt: skip

    def plan(self, model: nn.Module) -> TrainingPlan:
        c = self.config
        return TrainingPlan(
            self.recipe(),
            ImageFormat((0.0,), (1.0,)),
            schedule=PruningSchedule(
                c["sparsity_final"], c["last_pruning_epoch"], c["init_pruning_epoch"], c["frequency"],
                c["sparsity_initial"],
            ),
            prune=pruning_rule("layerwise"),
            norms=self.layers(model).norms,
            group_names=tuple("0123"),
        )  # fmt: skip

    def dual(self) -> DualState | None:
        c = self.config
        if c["method"] == "nft":
            return None
        buffers = c["buffer_memory"] > 0
        name = {"ceag": "ceag" if buffers else "ceag_no_rb", "el": "el_rb" if buffers else "el"}[c["method"]]
        counts = torch.bincount(self.test_data("train")[2], minlength=4)
        losses = self.arrays.get("dense/train_group_loss")
        reference = DenseReference(
            self.tensor("dense/train_group_acc"),
            torch.zeros(4, dtype=torch.float64) if losses is None else torch.from_numpy(losses),
            counts,
        )
        return DualState(
            constrained_method(name),
            FormulationSettings(c["tolerance"], "absolute" if c["abs_equality"] else "signed"),
            DualSettings(c["dual_lr"], c["buffer_memory"], "balanced"),
            reference,
            list("0123"),
            dtype=torch.float64,
        )


def _mlp(sizes: list[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
