"""The model that dense training starts from: fresh, or with weights from elsewhere and what they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from prunegap.acquisition.fetch import fetch_weights
from prunegap.acquisition.fit import fit_weights
from prunegap.acquisition.meaning import Meaning, completed, meaning_of
from prunegap.acquisition.read import read_weights
from prunegap.data.grouped import GroupedDataset
from prunegap.data.matching import match_classes
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.dry_run import blank_images
from prunegap.models.spec import ModelSpec
from prunegap.models.trace import classifier_names
from prunegap.remote.web import shown


@dataclass(frozen=True)
class WantedWeights:
    """Weights from elsewhere, and what the user says of them.

    Attributes:
        source: as for :func:`prunegap.acquisition.fetch.fetch_weights`.
        sha256: as there.
        head_rows: as for :func:`prunegap.acquisition.fit.fit_weights`; empty: all rows.
        replace_head: start the classifier afresh where it has other classes than the data.
        stated: what they mean, as far as the user says.
    """

    source: str
    sha256: str = ""
    head_rows: Sequence[int] = ()
    replace_head: bool = False
    stated: Meaning = field(default_factory=Meaning)


def fresh_model(name: str, dataset: GroupedDataset, seed: int) -> tuple[ModelSpec, nn.Module]:
    """Return a network with weights drawn from ``seed``, which learns the data set's classes and normalisation."""
    names, mean, std = _meaning_of_data(dataset)
    spec = _spec(name, dataset, Meaning(tuple(names), tuple(mean), tuple(std)))
    return spec, _built(spec, seed)


def model_from(
    name: str, dataset: GroupedDataset, seed: int, wanted: WantedWeights, cache: Path
) -> tuple[ModelSpec, nn.Module]:
    """Return a network with weights from elsewhere, and with their meaning.

    Where its classes are known by name they stay the model's, in its order; the data may lack some.

    Args:
        name: of the architecture.
        dataset: what it will be used on; says what nobody else does, with a warning.
        seed: decides weights that stay fresh.
        wanted: which weights.
        cache: folder for downloads.

    Raises:
        UserError: weights that cannot be had or do not fit, or that mean something else than the data set.
    """
    path = fetch_weights(wanted.source, sha256=wanted.sha256, cache=cache)
    try:
        return _model_from(name, dataset, seed, wanted, path)
    except UserError as error:
        raise UserError(f"{shown(wanted.source)} for model {name}: {error}") from error


def _model_from(
    name: str, dataset: GroupedDataset, seed: int, wanted: WantedWeights, path: Path
) -> tuple[ModelSpec, nn.Module]:
    known = meaning_of(wanted.source, path, wanted.stated)
    _require_same_images(known, dataset)
    state = read_weights(path)
    is_of_others = wanted.replace_head and bool(known.class_names) and _differ(known, dataset)
    if wanted.head_rows or is_of_others:
        _require_no_other_order(known, dataset, wanted.head_rows)
        known = replace(known, class_names=tuple(dataset.class_names))
    elif known.class_names:
        match_classes(known.class_names, dataset.class_names)
    names, mean, std = _meaning_of_data(dataset)
    spec = _spec(name, dataset, Meaning(known.class_names or tuple(names), tuple(mean), tuple(std)))
    model, images = _built(spec, seed), blank_images(spec)
    if wanted.stated.class_names and not is_of_others:
        _require_a_name_a_score(classifier_names(model, images), state, wanted.stated)
    is_kept = fit_weights(
        model, state, wanted.head_rows or None, wanted.replace_head, images, is_of_others=is_of_others
    )
    if not is_kept:
        known = replace(known, class_names=tuple(names))
    return _spec(name, dataset, completed(known, names, mean, std)), model


def _spec(name: str, dataset: GroupedDataset, meaning: Meaning) -> ModelSpec:
    channels, height, width = dataset.image_shape
    return ModelSpec(
        name,
        len(meaning.class_names),
        channels,
        height,
        0 if width == height else width,
        meaning.class_names,
        meaning.channel_mean,
        meaning.channel_std,
    )


def _built(spec: ModelSpec, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(spec)


def _meaning_of_data(dataset: GroupedDataset) -> tuple[Sequence[str], Sequence[float], Sequence[float]]:
    return dataset.class_names, dataset.channel_mean, dataset.channel_std


def _differ(known: Meaning, dataset: GroupedDataset) -> bool:
    return set(known.class_names) != set(dataset.class_names)


def _require_same_images(known: Meaning, dataset: GroupedDataset) -> None:
    if known.image_shape and known.image_shape != dataset.image_shape:
        theirs, ours = ("x".join(map(str, shape)) for shape in (known.image_shape, dataset.image_shape))
        raise UserError(
            f"it takes {theirs} images (channels x height x width), the data set's are {ours}; prepare the data with "
            f"its image_size and channels"
        )
    for parameter, values in (("weights_mean", known.channel_mean), ("weights_std", known.channel_std)):
        if values and len(values) != dataset.image_shape[0]:
            raise UserError(
                f"{parameter} must be a number for each of the data set's {dataset.image_shape[0]} channels, got "
                f"{list(values)}"
            )


def _require_no_other_order(known: Meaning, dataset: GroupedDataset, head_rows: Sequence[int]) -> None:
    """Refuse rows of known names that make one of the data set's classes another of them."""
    rows = [row for row in head_rows if row < len(known.class_names)] if known.class_names else []
    for row, name in zip(rows, dataset.class_names, strict=False):
        own = known.class_names[row]
        if own != name and own in dataset.class_names:
            raise UserError(
                f"head_rows makes row {row}, which is class '{own}', the data set's class '{name}'; leave head_rows "
                "out, classes are matched by name"
            )


def _require_a_name_a_score(heads: Sequence[str], state: Mapping[str, Tensor], stated: Meaning) -> None:
    head = state.get(f"{heads[0]}.weight") if len(heads) == 1 else None
    if head is not None and len(head) != len(stated.class_names):
        raise UserError(f"weights_classes names {len(stated.class_names)} classes, the weights are for {len(head)}")
