"""``prunegap.mlflow_metric``: excess gaps with their limits as a metric of ``mlflow.models.evaluate``.

MLflow (3.17, ``mlflow/models/evaluation/default_evaluator.py``) hands a metric's function what its parameters are
called: the predictions, the targets, and columns of the data. It calls the function with the first row alone before it
calls it with all.
"""

import inspect
import keyword
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunegap.auditing import Audit
from prunegap.auditing.arrays import audit_arrays
from prunegap.errors import UserError
from prunegap.tracking.names import MetricNames

if TYPE_CHECKING:
    from mlflow.metrics import MetricValue
    from mlflow.models import EvaluationMetric

NAME = "excess_gap"
RECORD = "excess_gap.json"
DETAILS = "Excess accuracy gaps of groups against the dense model, with limits (prunegap); fractions"
Values = NDArray[Any]
Source = str | Values


def mlflow_metric(
    *,
    dense: str | ArrayLike,
    groups: str | Sequence[str] | Mapping[str, ArrayLike],
    tolerance: float,
    record: str = RECORD,
    **options: Any,  # noqa: ANN401 - those of prunegap.audit
) -> "EvaluationMetric":
    """Return a metric for ``extra_metrics`` of ``mlflow.models.evaluate``: what a classifier does to each group.

    It judges the predictions that MLflow evaluates against those of the dense model. Names begin with ``excess_gap/``:
    ``max_psi`` and ``psi_pw``, each with ``_low``, ``_high`` and ``_noise_floor`` (95 % of groups drawn at random);
    ``group/<name>``, ``group_low/<name>``, ``group_high/<name>`` (limits that hold for all groups together) and
    ``group_at_most/<name>`` (the group's own upper limit); ``churn``, ``accuracy_dense``, ``tolerance``; ``admissible``
    and ``inadmissible``, 1 or 0, both 0 where the examples decide neither. All are fractions.

    Args:
        dense: what the dense model predicts, a class an example, or the column of the evaluated data that says it.
        groups: attributes by name, a value an example each, or the column or columns that have them; of several the
            intersection is judged. A column must be among the features that MLflow hands to a model, or its targets;
            where a model is evaluated that does not take such columns, hand over values.
        tolerance: excess accuracy gap that a group may have, a fraction.
        record: name of a file of the run for the whole audit as JSON, with the groups' real names where MLflow does not
            take them; empty for none.
        options: ``alpha``, ``candidates``, ``two_sided``, ``merge_below``, ``leave_out`` of :func:`prunegap.audit`.

    Raises:
        UserError: a column whose name MLflow cannot look up, or values that are not one an example.
    """
    from mlflow.models import make_metric

    judge = _Judge(_source("dense", dense), _attributes(groups), record, {"tolerance": tolerance, **options})
    return make_metric(eval_fn=judge, greater_is_better=False, name=NAME, metric_details=DETAILS)


class _Judge:
    """The metric's function; its signature names what MLflow is to hand over.

    Args:
        dense: a column, or values, shape (examples,).
        groups: likewise by attribute.
        record: file of the run for the audit.
        options: of :func:`prunegap.audit`.
    """

    def __init__(self, dense: Source, groups: Mapping[str, Source], record: str, options: Mapping[str, Any]) -> None:
        self._dense, self._groups, self._record, self._options = dense, groups, record, options
        columns = [one for one in (dense, *groups.values()) if isinstance(one, str)]
        names, kind = dict.fromkeys(("predictions", "targets", *columns)), inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])

    def __call__(self, *columns: ArrayLike, **named: ArrayLike) -> "MetricValue":
        """Return the figures; columns are in the order of the signature or named, a value an example."""
        from mlflow.metrics import MetricValue

        told = self.__signature__.bind(*columns, **named).arguments
        known: dict[str, Values] = {name: np.asarray(one) for name, one in told.items()}
        if len(known["predictions"]) == 1:  # MLflow's trial with the first row: one example has no gap
            return MetricValue(aggregate_results={})
        before = known[self._dense] if isinstance(self._dense, str) else self._dense
        _check_classes(before, known["targets"])
        judged = audit_arrays(
            before=before,
            after=known["predictions"],
            label=known["targets"],
            groups={name: (known[one] if isinstance(one, str) else one).tolist() for name, one in self._groups.items()},
            **self._options,
        )
        _keep(judged, self._record)
        return MetricValue(aggregate_results=figures(judged))


def figures(judged: Audit) -> dict[str, float]:
    """Return an audit's figures by the names that follow ``excess_gap/``; those of groups as MLflow takes them."""
    told: dict[str, float | None] = {
        "accuracy_dense": judged.accuracy_before,
        "admissible": float(judged.verdict == "admissible"),
        "churn": judged.churn,
        "inadmissible": float(judged.verdict == "inadmissible"),
        "tolerance": judged.tolerance,
    }
    largest = {
        "max_psi": (judged.max_psi, judged.noise_floor_max_psi),
        "psi_pw": (judged.psi_pw, judged.noise_floor_psi_pw),
    }
    for name, (bound, floor) in largest.items():
        told |= {name: bound.value, f"{name}_low": bound.low, f"{name}_high": bound.high}
        told[f"{name}_noise_floor"] = floor.high
    slugs, longest = MetricNames(), f"{NAME}/group_at_most/"
    for one in judged.groups:
        name, psi = slugs.slug(f"{longest}{one.name}").removeprefix(longest), one.excess_gap
        told |= {f"group/{name}": psi.value, f"group_low/{name}": psi.low, f"group_high/{name}": psi.high}
        told[f"group_at_most/{name}"] = one.at_most
    return {name: value for name, value in told.items() if value is not None}


def _keep(judged: Audit, record: str) -> None:
    import mlflow

    if record and mlflow.active_run() is not None:
        mlflow.log_dict(judged.plain(), record)


def _attributes(groups: "str | Sequence[str] | Mapping[str, ArrayLike]") -> dict[str, Source]:
    if isinstance(groups, str):
        return {groups: _source("groups", groups)}
    if isinstance(groups, Mapping):
        return {name: _source(f"groups[{name!r}]", values) for name, values in groups.items()}
    return {name: _source("groups", name) for name in groups}


def _source(parameter: str, given: ArrayLike) -> Source:
    """Return a column's name, which must be one that a parameter may have, or values, shape (examples,)."""
    if isinstance(given, str):
        if not given.isidentifier() or keyword.iskeyword(given):
            raise UserError(
                f"{parameter}: MLflow looks columns up by the name of a parameter, which {given!r} cannot be; "
                "rename the column, or hand over its values"
            )
        return given
    values = np.asarray(given)
    if values.ndim != 1:
        raise UserError(f"{parameter}: must have a value an example, shape (examples,), got shape {values.shape}")
    return values


def _check_classes(before: Values, targets: Values) -> None:
    if set(before.tolist()).isdisjoint(targets.tolist()):
        raise UserError(
            f"dense: must hold classes as the targets do, e.g. {targets.tolist()[0]!r}; "
            f"none of its values is one, e.g. {before.tolist()[0]!r}"
        )
