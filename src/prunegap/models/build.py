"""A ModelSpec becomes a network: one by name, ours or a package's, or the user's own."""

from torch import nn

from prunegap.errors import UserError, did_you_mean
from prunegap.extensions import extension
from prunegap.models.builder import call_builder, find_builder
from prunegap.models.dry_run import check_dimensions
from prunegap.models.known_models import model_names
from prunegap.models.spec import ModelSpec


def build(spec: ModelSpec) -> nn.Module:
    """Build the network of a spec with fresh weights, drawn from torch's global random state.

    Args:
        spec: one of :func:`prunegap.models.known_models.model_names` or ``package.module:function``, and the
            dimensions of the data.

    Returns:
        The network in training mode, on the default device. It maps ``(n, *image_shape)`` to
        ``(n, num_classes)``: one dry forward has checked that.

    Raises:
        UserError: an unknown name, a builder that is absent or returns no network, a number of channels or an
            image size the network cannot take.
    """
    if ":" not in spec.name and spec.name not in (known := model_names()):
        hint = did_you_mean(spec.name, known)
        raise UserError(f"model '{spec.name}' is not known{hint} (your own is written package.module:function)")
    model = call_builder(find_builder(spec.name) if ":" in spec.name else extension("models", spec.name), spec)
    check_dimensions(model, spec)
    return model
