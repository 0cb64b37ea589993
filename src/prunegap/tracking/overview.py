"""What the parent run of a pipeline run shows once there is a result: table, feasibility, report, pictures."""

import json
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prunegap.artifacts.comparison import Comparison
from prunegap.tracking.chart_view import VIEW_TAG, chart_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE_TAG, IMAGES_TAG = "mlflow.note.content", "mlflow.loggedImages"
FEASIBLE, INFEASIBLE = "prunegap.feasible_on_train", "prunegap.infeasible_on_train"
FIGURE = "feasible on train/"
TABLE, REPORT, EXPERIMENT = "comparison.md", "comparison.html", "experiment.json"
MOST_CHARACTERS = 7000
"""MLflow takes 8,000 in a tag."""


def describe(client: "MlflowClient", run: "Run", result: Comparison, folder: Path) -> None:
    """Make the parent run say what came of the pipeline run; again is as good as once.

    Args:
        client: client of the tracking address.
        run: the parent run.
        result: of the pipeline run.
        folder: where it lies; the experiment is taken from the workspace around it, if that is a workspace.
    """
    from mlflow.entities import Param, RunTag

    run_id = run.info.run_id
    tags = {NOTE_TAG: _note(result), FEASIBLE: _those(result, 1.0), INFEASIBLE: _those(result, 0.0)}
    said = {key: value for key, value in _settings(result).items() if run.data.params.get(key) is None}
    client.log_batch(
        run_id,
        params=[Param(key, value) for key, value in said.items()],
        tags=[RunTag(key, value) for key, value in tags.items() if value],
    )
    with tempfile.TemporaryDirectory() as scratch:
        for path, content in _files(result, folder).items():
            (Path(scratch) / path).parent.mkdir(exist_ok=True)
            (Path(scratch) / path).write_bytes(content)
        client.log_artifacts(run_id, scratch)
    client.set_tag(run_id, IMAGES_TAG, "True")
    client.set_experiment_tag(run.info.experiment_id, VIEW_TAG, chart_view(result.evaluations))


def _those(result: Comparison, value: float) -> str:
    """Return the methods whose feasibility is ``value``, as text: ``ceag 99.5, nft 99.5``."""
    return ", ".join(name.removeprefix(FIGURE) for name, is_ in result.headline.items() if _is(name, is_, value))


def _is(name: str, figure: float, value: float) -> bool:
    return name.startswith(FIGURE) and figure == value


def _note(result: Comparison) -> str:
    table = result.files[TABLE].decode()
    if len(table) > MOST_CHARACTERS:
        lines = table[:MOST_CHARACTERS].splitlines()[:-1]
        table = "\n".join([*lines, "", f"The table goes on in the artifact `{TABLE}`."])
    feasible = _those(result, 1.0) or "no method"
    return f"**Feasible on train** (method, sparsity in %): {feasible}\n\n{table}\nReport: artifact `{REPORT}`.\n"


def _settings(result: Comparison) -> Mapping[str, str]:
    """Return what pipeline runs differ in, short enough for a column of MLflow's table."""

    def of(values: Iterable[object]) -> str:
        return ", ".join(dict.fromkeys(f"{one:g}" if isinstance(one, float) else str(one) for one in values))[:500]

    evaluations = result.evaluations
    return {
        "dataset": of(one.dataset for one in evaluations),
        "groups": of(one.group for one in evaluations),
        "network": of(one.model for one in evaluations),
        "methods": of(one.shown_name for one in evaluations),
        "seeds": of(one.seed for one in evaluations),
        "sparsity": of(one.sparsity for one in evaluations),
        "tolerance": of(one.tolerance for one in evaluations),
    }


def _files(result: Comparison, folder: Path) -> Mapping[str, bytes]:
    """Return content by path: table and report, the experiment, and pictures under the names MLflow's charts read."""
    files = {name: result.files[name] for name in (TABLE, REPORT)}
    experiment = folder.absolute().parents[2] / EXPERIMENT if len(folder.absolute().parents) > 2 else Path()
    if experiment.is_file():
        files[EXPERIMENT] = (json.dumps(json.loads(experiment.read_text(encoding="utf-8")), indent=2) + "\n").encode()
    for name, content in result.files.items():
        if name.endswith(".png"):
            key = f"pictures~{name.removesuffix('.png').replace('_', ' ')}"
            file = f"images/{key}+step+0+timestamp+0+{uuid.uuid5(uuid.NAMESPACE_URL, name)}"
            files |= {f"{file}.png": content, f"{file}+compressed.webp": _webp(content)}
    return files


def _webp(png: bytes) -> bytes:
    from io import BytesIO

    from PIL import Image

    written = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(written, "WEBP", quality=90)
    return written.getvalue()
