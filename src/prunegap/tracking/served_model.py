"""A model artifact as ``mlflow.pyfunc`` and ``mlflow models serve`` load it: pixels in, a probability a class out.

``MLmodel`` beside the artifact's own files names this module; what loads it needs prunegap, and nothing is unpickled.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap import __version__
from prunegap.artifacts.model import MODEL, build_stored, load_model
from prunegap.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities import LoggedModel

REQUIREMENTS = "requirements.txt"


class Classifier:
    """A stored network, in the words of ``mlflow.pyfunc``.

    Args:
        folder: of the model artifact.

    Raises:
        UserError: its classes and normalisation are not known.
    """

    def __init__(self, folder: Path) -> None:
        stored = load_model(folder)
        if not stored.spec.has_meaning:
            raise UserError(f"{folder}: the model does not say its classes and normalisation, which predictions need")
        self._spec, self._network = stored.spec, build_stored(stored).eval()

    def predict(self, model_input: "np.ndarray[Any, Any]", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Return a row an image and a column a class: its probability.

        Args:
            model_input: pixels, shape (images, channels, height, width), from 0 to 255.
            params: none are known.

        Raises:
            UserError: images of another shape.
        """
        import numpy as np
        import pandas as pd
        import torch

        del params
        pixels, spec = torch.as_tensor(np.asarray(model_input, dtype=np.float32)), self._spec
        if tuple(pixels.shape[1:]) != spec.image_shape:
            raise UserError(
                f"model_input: must have shape (images, {', '.join(map(str, spec.image_shape))}), "
                f"got {tuple(pixels.shape)}"
            )
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.channel_mean, spec.channel_std))
        with torch.no_grad():
            scores = self._network((pixels / 255 - mean) / std)
        return pd.DataFrame(scores.softmax(dim=1).numpy(), columns=list(spec.class_names))


def _load_pyfunc(path: str) -> Classifier:  # pyright: ignore[reportUnusedFunction] - called by mlflow.pyfunc
    return Classifier(Path(path))


def write_flavor(scratch: Path, folder: Path, model: "LoggedModel") -> None:
    """Write ``MLmodel`` and the requirements of a logged model; what holds no network gets neither."""
    if not (folder / MODEL).is_file():
        return
    import json

    import numpy as np
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    from prunegap.models.spec import ModelSpec

    spec = ModelSpec.of(json.loads((folder / MODEL).read_text(encoding="utf-8"))["spec"])
    if not spec.has_meaning:
        return
    inputs = Schema([TensorSpec(np.dtype("uint8"), (-1, *spec.image_shape))])
    flavor = Model(run_id=model.source_run_id, model_id=model.model_id, signature=ModelSignature(inputs=inputs))
    pyfunc.add_to_model(flavor, loader_module=__name__)
    flavor.save(str(scratch / "MLmodel"))
    (scratch / REQUIREMENTS).write_text(f"prunegap=={__version__}\n", encoding="utf-8")
