"""``dense_model``, ``sparse_model``, ``finetuned_model``: a network, its weights and masks, and how it was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prunegap.artifacts.kind import Artifact

if TYPE_CHECKING:
    from prunegap.artifacts.model import StoredModel
    from prunegap.data.augment import Augmentation
    from prunegap.training.recipe import Recipe


@dataclass(frozen=True)
class DenseTraining:
    """How a dense model came to be.

    Attributes:
        method: how it was trained here.
        seed: of its fresh weights and its training.
        epochs: trained here; 0: the weights as they were found.
        weights: where its weights were taken from; empty: trained from scratch.
        code: digest of the code that builds the network.
    """

    method: str
    seed: int
    epochs: int
    weights: str = ""
    code: str = ""


@dataclass(frozen=True)
class Pruning:
    """How a model was pruned, and all that a method needs to go on with that very training.

    Attributes:
        recipe: of the whole run, GMP and fine-tuning together.
        augmentation: of the training images.
        gmp_epochs: epochs before the final sparsity; the recipe's others are for fine-tuning.
        seed: of batch order, augmentation and dropout.
        sparsity: share of prunable weights that was asked for.
        achieved_sparsity: share that is zero.
        rule: name of the pruning rule.
        layers: names of its layers by what became of them: pruned, or left dense and why.
    """

    recipe: Recipe
    augmentation: Augmentation
    gmp_epochs: int
    seed: int
    sparsity: float
    achieved_sparsity: float
    rule: str
    layers: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Return what ``dataclasses.asdict`` made plain."""
        from prunegap.data.augment import Augmentation
        from prunegap.training.recipe import Recipe

        recipe: dict[str, Any] = {**raw["recipe"], "milestones": tuple(raw["recipe"]["milestones"])}
        typed: dict[str, Any] = {"recipe": Recipe(**recipe), "augmentation": Augmentation(**raw["augmentation"])}
        return cls(**{**raw, **typed})


@dataclass(frozen=True)
class Finetuning:
    """How a pruned model was fine-tuned.

    Attributes:
        pruning: what it was when fine-tuning took it up.
        method: name of the method.
        label: its name in tables and plots; empty: the method's.
        summary: what the method does, for readers.
        tolerance: that the method was given (fraction).
        epoch: whose weights were kept.
        seconds: wall-clock of the training.
    """

    pruning: Pruning
    method: str
    label: str
    summary: str
    tolerance: float
    epoch: int
    seconds: float

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Return what ``dataclasses.asdict`` made plain."""
        typed: dict[str, Any] = {"pruning": Pruning.of(raw["pruning"])}
        return cls(**{**raw, **typed})


@dataclass(frozen=True)
class DenseModel(Artifact, kind="dense_model", kubeflow="Model", tracked="model", meets_other=["dataset"]):
    """A dense network."""

    network: StoredModel
    trained_by: DenseTraining

    def save(self, folder: Path) -> None:
        """Write the network and how it was trained."""
        _save(folder, self.network, self.trained_by)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        network, raw = _load(folder)
        return cls(network, DenseTraining(**raw))


@dataclass(frozen=True)
class SparseModel(Artifact, kind="sparse_model", kubeflow="Model", tracked="model", meets_other=["dataset"]):
    """A network as GMP left it, at the start of the first epoch at its final sparsity.

    Attributes:
        network: with weights and masks.
        optimizer_state: momentum, as ``torch.optim.Optimizer.state_dict`` gives it.
        trained_by: how it was pruned.
    """

    network: StoredModel
    optimizer_state: Mapping[str, Any]
    trained_by: Pruning

    def save(self, folder: Path) -> None:
        """Write the network, the optimizer's state, and how it was pruned."""
        from prunegap.artifacts.training_state import save_training_state

        _save(folder, self.network, self.trained_by)
        save_training_state(folder, self.optimizer_state)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        from prunegap.artifacts.training_state import load_training_state

        network, raw = _load(folder)
        return cls(network, load_training_state(folder), Pruning.of(raw))

    def metrics(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the sparsity of every pruned layer and of all prunable weights."""
        from prunegap.pruning.masks import layer_sparsities

        layers = {f"sparsity/{name}": value for name, value in layer_sparsities(self.network.masks).items()}
        yield self.trained_by.gmp_epochs, layers | {"overall_sparsity": self.trained_by.achieved_sparsity}


@dataclass(frozen=True)
class FinetunedModel(Artifact, kind="finetuned_model", kubeflow="Model", tracked="model", meets_other=["dataset"]):
    """A sparse network after fine-tuning with one method."""

    network: StoredModel
    trained_by: Finetuning

    def save(self, folder: Path) -> None:
        """Write the network and how it was trained."""
        _save(folder, self.network, self.trained_by)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        network, raw = _load(folder)
        return cls(network, Finetuning.of(raw))


def _save(folder: Path, network: StoredModel, trained_by: DenseTraining | Pruning | Finetuning) -> None:
    from prunegap.artifacts.model import save_model

    save_model(folder, network.spec, network.state, network.masks, asdict(trained_by))


def _load(folder: Path) -> tuple[StoredModel, Mapping[str, Any]]:
    from prunegap.artifacts.model import load_model

    network = load_model(folder)
    return network, network.metadata
