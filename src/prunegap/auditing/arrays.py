"""``prunegap.audit``: an audit in Python, from whatever holds predictions in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunegap.auditing.audit import audit
from prunegap.auditing.predictions import Predictions
from prunegap.errors import UserError
from prunegap.uncertainty import Audit, Rules


def audit_arrays(
    *,
    before: ArrayLike,
    after: ArrayLike,
    groups: Mapping[str, ArrayLike],
    tolerance: float,
    label: ArrayLike | None = None,
    **rules: Any,  # noqa: ANN401 - what Rules takes
) -> Audit:
    """Judge a model by what it does to each group, from the predictions of two models on the same examples.

    Args:
        before: what the first model predicts, a class an example; without ``label``: whether it is right.
        after: likewise of the model that is judged.
        groups: attributes by name, a value an example each; of several the intersection is judged.
        tolerance: excess accuracy gap that a group may have, a fraction.
        label: the true classes.
        rules: further ones, as :class:`prunegap.uncertainty.Rules` has them: alpha, candidates, two_sided,
            merge_below, leave_out.

    Raises:
        UserError: columns of different lengths, correctness that is none, or a value out of range.
    """
    columns = {"before": np.asarray(before), "after": np.asarray(after)}
    columns |= {name: np.asarray(values) for name, values in groups.items()}
    columns |= {} if label is None else {"label": np.asarray(label)}
    lengths = {name: one.shape for name, one in columns.items()}
    if len(set(lengths.values())) != 1 or columns["before"].ndim != 1:
        raise UserError(f"all columns must have one shape, (examples,), got {lengths}")
    if not groups or not len(columns["before"]):
        raise UserError("an audit needs at least one attribute in groups and one example")
    coded = {name: np.unique(columns[name].astype(str), return_inverse=True) for name in groups}
    read = Predictions(
        before=_right(columns, "before"),
        after=_right(columns, "after"),
        groups={name: numbers.astype(np.int64) for name, (_, numbers) in coded.items()},
        names={name: [str(one) for one in names] for name, (names, _) in coded.items()},
        notes=(),
        files={},
    )
    return audit(read, list(groups), Rules(tolerance=tolerance, **rules))


def _right(columns: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.bool_]:
    if "label" in columns:
        return columns[name] == columns["label"]
    if odd := sorted(map(str, set(columns[name].tolist()) - {0, 1})):
        raise UserError(f"without label, {name} must say 1 (right) or 0 (wrong), found {odd[0]}")
    return columns[name].astype(bool)
