"""What weights from elsewhere mean: which class each score is of, and how the images they learned from were normalised.

Our own models say it themselves, wherever they come from; of torchvision's, torchvision knows the normalisation; of
any other file only the user does.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open

from prunegap.acquisition.torchvision_weights import PREFIX, published_normalisation
from prunegap.acquisition.weights_file import OWN_MODEL, OWN_WEIGHTS
from prunegap.errors import UserError
from prunegap.models.spec import SPEC, ModelSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Meaning:
    """What is known of some weights; what is empty is not.

    Attributes:
        class_names: classes in the order of the scores, distinct.
        channel_mean: in units of the pixel range 0..1, a value a channel.
        channel_std: as ``channel_mean``, > 0.
        image_shape: channels, height and width of the images they learned from.
    """

    class_names: tuple[str, ...] = ()
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()
    image_shape: tuple[int, ...] = ()


def meaning_of(source: str, path: Path, stated: Meaning) -> Meaning:
    """Return what is known of weights.

    Args:
        source: where they come from, as for :func:`prunegap.acquisition.fetch.fetch_weights`.
        path: the file they are in.
        stated: what the user says of them.

    Raises:
        UserError: the user says something else than the model itself.
    """
    spec = stored_spec(path)
    if spec is not None and spec.has_meaning:
        own = Meaning(spec.class_names, spec.channel_mean, spec.channel_std, spec.image_shape)
        _require_same(own, stated)
        return own
    if source.startswith(PREFIX) and not stated.channel_mean:
        mean, std = published_normalisation(source)
        return replace(stated, channel_mean=mean, channel_std=std)
    return stated


def stored_spec(path: Path) -> ModelSpec | None:
    """Return the spec that a file of ours holds, or the ``model.json`` beside it; None for any other file."""
    raw: Any = None
    try:
        with cast("Any", safe_open)(path, framework="pt") as file:
            raw = (file.metadata() or {}).get(SPEC)
        if raw is None and path.name == OWN_WEIGHTS and path.with_name(OWN_MODEL).is_file():
            raw = json.dumps(json.loads(path.with_name(OWN_MODEL).read_text(encoding="utf-8"))["spec"])
        return None if raw is None else ModelSpec.of(json.loads(raw))
    except (SafetensorError, OSError, ValueError, TypeError, KeyError):
        return None  # no file of ours; whether it is one of weights is told where they are read


def completed(known: Meaning, class_names: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> Meaning:
    """Fill in what nobody knows with what the data set says, and say so.

    Args:
        known: what is known; with classes (see :func:`prunegap.acquisition.fit.fit_weights` for who says them).
        class_names: of the data set.
        mean: of the data set's channels.
        std: as ``mean``.
    """
    if not known.class_names:
        logger.warning(
            "nobody says which classes the weights are for: taken to be the data set's, in its order (%s); name them "
            "with weights_classes",
            ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else ""),
        )
        known = replace(known, class_names=tuple(class_names))
    if not known.channel_mean:
        logger.warning(
            "nobody says how the weights' images were normalised: with mean %s and std %s, the data set's; give their "
            "own with weights_mean and weights_std",
            *([round(value, 4) for value in values] for values in (mean, std)),
        )
        known = replace(known, channel_mean=tuple(mean), channel_std=tuple(std))
    return known


def _require_same(own: Meaning, stated: Meaning) -> None:
    wanted = asdict(stated)
    names = {"class_names": "weights_classes", "channel_mean": "weights_mean", "channel_std": "weights_std"}
    for field, parameter in names.items():
        value = getattr(own, field)
        if wanted[field] and tuple(wanted[field]) != value:
            raise UserError(
                f"{parameter} says {list(wanted[field])}, the model itself {list(value)}; leave {parameter} out"
            )
