"""A saved view of MLflow's chart page: methods side by side, and all groups of a figure on one axis.

MLflow's own charts are one a metric, so that a hundred groups are a hundred charts. A saved view is a tag of the
experiment (``savedViewEnvelope.ts`` of MLflow 3.17), listed under "Views" and opened by a link that names it.
"""

import json
import uuid
from collections.abc import Sequence

from prunegap.artifacts.evaluation import Evaluation
from prunegap.tracking.links import VIEW
from prunegap.tracking.names import SHOWN, slug

VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
NAME = "prunegap: methods and groups"
FILTER = f"params.{SHOWN} LIKE '%'"
MOST_CHARACTERS = 19_000
"""MLflow takes 20,000 in a tag of an experiment."""
GROUP_FIGURES = ("excess_gap", "group_accuracy", "multiplier")
FIGURES = ("test/accuracy", "test/max_psi", "train/max_psi", "train/feasible")


def chart_view(evaluations: Sequence[Evaluation]) -> str:
    """Return the tag's value; of very many groups only as many as fit are drawn.

    Runs are grouped by method and sparsity and averaged over seeds: MLflow draws nothing of runs below a folded one.
    """
    groups = list(
        dict.fromkeys(group.name for one in evaluations for split in one.splits.values() for group in split.groups)
    )
    count = len(groups)
    while len(text := _envelope(groups[:count])) > MOST_CHARACTERS:
        count = count * 3 // 4
    return text


def _envelope(groups: Sequence[str]) -> str:
    methods, dynamics = _section("Methods (final figures)"), _section("Groups while fine-tuning")
    charts = [
        _chart(
            "SCATTER",
            methods,
            xaxis=_axis("test/accuracy"),
            yaxis=_axis("test/max_psi"),
            displayName="max psi over accuracy, test",
        ),
        *(_chart("BAR", methods, metricKey=key) for key in FIGURES),
        *(
            _chart(
                "LINE",
                dynamics,
                metricKey=keys[0],
                selectedMetricKeys=keys,
                displayName=f"{family.replace('_', ' ')} of each group",
            )
            for family in GROUP_FIGURES
            if (keys := [slug(f"{family}/{group}") for group in groups])
        ),
    ]
    state = {
        "searchFilter": FILTER,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "compareRunCharts": charts,
        "compareRunSections": [methods, dynamics],
        "isAccordionReordered": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [_parameter(SHOWN), _parameter("sparsity")]},
        "useGroupedValuesInCharts": True,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": ["params.`method`", "params.`sparsity`", "params.`seed`", "metrics.`test/max_psi`"],
        "autoRefreshEnabled": True,
    }
    return json.dumps({"name": NAME, "createdAt": 0, "state": json.dumps(state)})


def _section(name: str) -> dict[str, object]:
    return {
        "uuid": _uuid(name),
        "name": name,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _chart(kind: str, section: dict[str, object], **settings: object) -> dict[str, object]:
    known = {
        "type": kind,
        "metricSectionId": section["uuid"],
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 100,
    }
    return known | {"uuid": _uuid(json.dumps([kind, settings])[:2000])} | settings


def _parameter(name: str) -> dict[str, str]:
    return {"mode": "param", "groupByData": name}


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
