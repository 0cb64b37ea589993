"""A model artifact as ``mlflow.pyfunc`` and ``mlflow models serve`` load it: pixels in, a probability a class out.

``MLmodel`` beside the artifact's own files names this module; what loads it needs prunegap, and nothing is unpickled.
"""

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunegap import __version__
from prunegap.artifacts.manifest import write_json
from prunegap.errors import UserError
from prunegap.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities import LoggedModel

MODEL, REQUIREMENTS = "model.json", "requirements.txt"


class Classifier:
    """A stored network, in the words of ``mlflow.pyfunc``.

    Args:
        folder: of the model artifact.

    Raises:
        UserError: its classes and normalisation are not known.
    """

    def __init__(self, folder: Path) -> None:
        from prunegap.artifacts.model import build_stored, load_model

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
    spec = ModelSpec.of(json.loads((folder / MODEL).read_text(encoding="utf-8"))["spec"])
    if not spec.has_meaning:
        return
    inputs = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, *spec.image_shape]}}]
    # Written as it is defined: mlflow.pyfunc takes seconds to import, and warns.
    described = {
        "flavors": {"python_function": {"loader_module": __name__, "python_version": platform.python_version()}},
        "model_id": model.model_id,
        "run_id": model.source_run_id,
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
    }
    write_json(scratch / "MLmodel", described)
    (scratch / REQUIREMENTS).write_text(f"prunegap=={__version__}\n", encoding="utf-8")
