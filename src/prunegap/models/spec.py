"""Which network, for which data: enough to build the same module again, and what its inputs and scores mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SPEC = "prunegap.model"
"""Under this name a file of weights says, in its metadata and as JSON, whose it is: ``asdict`` of a spec."""


@dataclass(frozen=True)
class ModelSpec:
    """An architecture, the data's dimensions, and the meaning of what goes in and comes out.

    The meaning (classes and normalisation) is known of every model that a run makes, and empty where a spec only
    builds a network.

    Attributes:
        name: of an architecture, or ``module:function`` of the user's own.
        num_classes: scores an image.
        in_channels: channels of an image.
        image_size: height of an image in pixels, and its width unless ``image_width`` says otherwise.
        image_width: width where it is another; 0: square.
        class_names: what each score is of, in order.
        channel_mean: subtracted from each channel, in units of the pixel range 0..1.
        channel_std: what each channel is divided by then, > 0.

    Raises:
        ValueError: as many names as there are not classes, or other numbers than there are channels.
    """

    name: str
    num_classes: int
    in_channels: int
    image_size: int
    image_width: int = 0
    class_names: tuple[str, ...] = ()
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        given = {"class_names": self.class_names, "channel_mean": self.channel_mean, "channel_std": self.channel_std}
        for field, values in given.items():
            count = self.num_classes if field == "class_names" else self.in_channels
            if len(values) not in {0, count}:
                raise ValueError(f"{field} must hold {count} values, got {len(values)}")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names must be distinct, got {list(self.class_names)}")
        if len({bool(values) for values in given.values()}) > 1:
            raise ValueError("class_names, channel_mean and channel_std are known together or not at all")

    @property
    def has_meaning(self) -> bool:
        """Whether classes and normalisation are known."""
        return bool(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self.in_channels, self.image_size, self.image_width or self.image_size

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "ModelSpec":
        """Return the spec that ``dataclasses.asdict`` made plain; one older than the meaning has none.

        Raises:
            TypeError, ValueError: it is no spec.
        """
        meaning: dict[str, Any] = {
            key: tuple(raw.get(key, ())) for key in ("class_names", "channel_mean", "channel_std")
        }
        return cls(**{**raw, **meaning})
