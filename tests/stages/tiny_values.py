"""What the stages are given in their tests: a few dozen images in three unequal groups, and what comes of them."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from stages.tiny_network import build
from torch import Tensor

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.evaluation import Evaluation
from prunegap.artifacts.history import History
from prunegap.artifacts.trained_models import DenseModel, FinetunedModel, SparseModel
from prunegap.data.grouped import GroupedDataset, Split
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.evaluate import EvaluateParams, evaluate
from prunegap.stages.finetune import Finetuned, FinetuneParams, finetune
from prunegap.stages.measure_baseline import MeasureBaselineParams, measure_baseline
from prunegap.stages.prune import Pruned, PruneParams, prune
from prunegap.tracking.protocol import NullTracker
from prunegap.training.checkpoints import Checkpoint
from prunegap.training.state import TrainingState

NETWORK = "stages.tiny_network:build"
Settings = dict[str, Any]
CLASSES, GROUPS = ("left", "middle", "right"), ("many", "some", "few")
TRAINING: Settings = {"batch_size": 12, "learning_rate": 0.05}
DENSE: Settings = {**TRAINING, "model": NETWORK, "epochs": 3, "buffer_size": 2, "dual_step_size": 0.5}
PRUNE: Settings = {**TRAINING, "sparsity": 0.6, "gmp_epochs": 2, "finetune_epochs": 2}
FINETUNE: Settings = {"method": "ceag", "buffer_size": 2, "dual_step_size": 0.5}


class Witness(Checkpoint):
    """Takes nothing up, and keeps the weights of every epoch after which it was asked to save, by the next epoch."""

    def __init__(self) -> None:
        self.saved: dict[int, dict[str, Tensor]] = {}

    def resume(self, state: TrainingState) -> bool:  # noqa: ARG002
        return False

    def save(self, state: TrainingState) -> None:
        self.saved[state.epoch] = {name: value.clone() for name, value in state.model.state_dict().items()}


def images(examples: int, seed: int, noise: int = 180) -> Split:
    """Each class lights another part of the image; ``few``'s labels are noise, so that pruning hurts it otherwise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (examples,), generator=generator)
    pixels = torch.randint(noise, (examples, 3, 8, 8), generator=generator)
    bright = torch.arange(8).view(1, 1, 1, 8) * 3 // 8 == labels.view(-1, 1, 1, 1)
    groups = torch.tensor([0, 1, 0, 2, 0, 1, 0]).repeat(examples)[:examples]
    chance = torch.randint(3, (examples,), generator=generator)
    return Split((pixels + 60 * bright).to(torch.uint8), torch.where(groups == 2, chance, labels), groups)


@cache
def dataset() -> Dataset:
    splits = {"train": images(54, 0), "validation": images(31, 1), "test": images(30, 2)}
    return Dataset(
        GroupedDataset(splits, CLASSES, GROUPS, (0.4, 0.4, 0.5), (0.2, 0.3, 0.2), "side", ("size",)), "pictures"
    )


@cache
def dense_model() -> DenseModel:
    params = AcquireDenseParams(**DENSE)
    return acquire_dense(params, dataset(), checkpoint=Witness(), tracker=NullTracker()).dense_model


@cache
def baseline() -> Baseline:
    return measure_baseline(MeasureBaselineParams(), dataset(), dense_model())


def pruned(**params: object) -> Pruned:
    asked = PruneParams.model_validate({**PRUNE, **params})
    return prune(asked, dataset(), dense_model(), baseline(), checkpoint=Witness(), tracker=NullTracker())


@cache
def sparse_model() -> SparseModel:
    return pruned().sparse_model


def finetuned(sparse: SparseModel, checkpoint: Checkpoint | None = None, **params: object) -> Finetuned:
    asked = FinetuneParams.model_validate({**FINETUNE, **params})
    return finetune(asked, dataset(), baseline(), sparse, checkpoint=checkpoint or Witness(), tracker=NullTracker())


@cache
def finetuned_model() -> FinetunedModel:
    return finetuned(sparse_model()).finetuned_model


@cache
def judged() -> tuple[tuple[Evaluation, ...], tuple[History, ...]]:
    methods = [finetuned(sparse_model(), method=name) for name in ("nft", "ceag")]
    evaluations = [evaluate(EvaluateParams(), dataset(), baseline(), made.finetuned_model) for made in methods]
    return tuple(evaluations), tuple(made.history for made in methods)


def write_files(folder: Path) -> None:
    """Write the tables, images and weights that parameters name below ``{here}``."""
    rng = np.random.default_rng(0)
    rows = ["image,picture,label,kind,sex,part,fold"]
    for i in range(36):
        for copy, size in (("a", (9, 9)), ("b", (9, 9))):
            Image.fromarray(rng.integers(255, size=(*size, 3), dtype=np.uint8)).save(folder / f"{copy}{i}.png")
        fold = ("train", "test")[i % 3 == 1]
        rows.append(
            f"a{i}.png,b{i}.png,{'xy'[i % 2]},{'pqr'[i % 3]},{'fm'[i // 2 % 2]},{('train', 'test')[i > 20]},{fold}"
        )
    (folder / "people.csv").write_text("\n".join(rows))
    (folder / "fewer.csv").write_text("\n".join(rows[:-6]))
    (folder / "broken.csv").write_text("\n".join([*rows, "nothing.png,nothing.png,x,p,f,train,train"]))
    for seed, (name, classes) in enumerate({"three": 3, "other": 3, "five": 5}.items(), start=7):
        torch.manual_seed(seed)
        save_file(build(classes, 3, 8).state_dict(), folder / f"{name}.safetensors")
