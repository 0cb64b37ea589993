"""All that MLflow's API says of one pipeline run, and what differs between two such records: an empty list is equality.

Run as a program it compares two pipeline runs: ``record.py URI EXPERIMENT [RUN] -- URI EXPERIMENT [RUN]``.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from prunegap.tracking.mlflow_client import connect
from prunegap.tracking.mlflow_runs import find_runs

PARENT = "pipeline"
OF_THE_RUN = {f"prunegap.{key}" for key in ("pipeline_run", "began", "told", "error", "digest")}
"""Tags that say which run it is, when it was or how long it took: two equal runs differ in them."""
Record = dict[str, dict[str, Any]]


def record(uri: str, experiment: str, pipeline_run: str | None = None) -> Record:
    """Return what is recorded of a pipeline run, by the name of its step (``pipeline``: the parent).

    Two runs of one step show as ``step`` and ``step (2)``. Every point of every curve is there, so that a doubled one
    shows. Identifiers, addresses and times are left out, and so is what a person deleted.

    Args:
        uri: tracking address.
        experiment: name of the experiment.
        pipeline_run: its identifier; None where the experiment holds one pipeline run.
    """
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None, f"{uri} has no experiment '{experiment}'"
    tags = {} if pipeline_run is None else {"prunegap.pipeline_run": pipeline_run}
    runs = list(find_runs(client, found.experiment_id, tags))
    names = {run.info.run_id: _name(run) for run in runs}
    models = _pages(client, found.experiment_id)
    kept: Record = {}
    seen = Counter[str]()
    for run in runs:
        name = names[run.info.run_id]
        seen[name] += 1
        kept[name if seen[name] == 1 else f"{name} ({seen[name]})"] = _run(client, run, names, models)
    return kept


def differences(expected: Record, found: Record) -> list[str]:
    """Return a line for everything in which two records differ: what, in which run, expected and found."""
    lines = [f"{name}: is not there" for name in expected if name not in found]
    lines += [f"{name}: is there, and was not expected" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        for what, value in expected[name].items():
            lines += [f"{name}: {line}" for line in _lines(what, value, found[name][what])]
    return sorted(lines)


def _name(run: Any) -> str:
    tags = run.data.tags
    return PARENT if tags.get("prunegap.stage") == PARENT else tags.get("prunegap.step") or run.info.run_name


def _run(client: MlflowClient, run: Any, names: Mapping[str, str], models: list[Any]) -> dict[str, Any]:
    parent = run.data.tags.get("mlflow.parentRunId")
    outputs = run.outputs.model_outputs if run.outputs else []
    data = run.inputs.dataset_inputs if run.inputs else []
    return {
        "status": run.info.status,
        "ended": run.info.end_time is not None,
        "below": names.get(parent, parent),
        "params": dict(run.data.params),
        "tags": _tags(run.data.tags),
        "described": "mlflow.note.content" in run.data.tags,
        "metrics": {
            key: sorted((point.step, repr(point.value)) for point in client.get_metric_history(run.info.run_id, key))
            for key in run.data.metrics
        },
        "datasets": sorted((one.dataset.name, one.dataset.digest) for one in data),
        "artifacts": sorted(_files(client, run.info.run_id)),
        "models": sorted(_model(client, one) for one in models if one.source_run_id == run.info.run_id),
        "linked models": sorted(_named(models, output.model_id) for output in outputs),
    }


def _model(client: MlflowClient, model: Any) -> tuple[Any, ...]:
    return (
        model.name,
        str(model.status),
        tuple(_tags(model.tags).items()),
        tuple(sorted(model.params.items())),
        tuple(sorted((metric.key, metric.step, repr(metric.value)) for metric in model.metrics or ())),
        tuple(sorted(_model_files(client, model.model_id))),
        _tensors(client, model),
    )


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    ours = {key: value for key, value in sorted(tags.items()) if key.startswith("prunegap.")}
    return {key: value for key, value in ours.items() if key not in OF_THE_RUN}


def _tensors(client: MlflowClient, model: Any) -> tuple[tuple[str, str], ...]:
    """Return the sha256 of the weights and masks, as the model's manifest has them."""
    if "manifest.json" not in _model_files(client, model.model_id):
        return ()
    with tempfile.TemporaryDirectory() as folder:
        address = f"{model.artifact_location}/manifest.json"
        path = download_artifacts(address, dst_path=folder, tracking_uri=client.tracking_uri)
        files = json.loads(Path(path).read_text())["files"]
    return tuple(sorted((name, sha256) for name, sha256 in files.items() if name.endswith(".safetensors")))


def _named(models: list[Any], model_id: str) -> str:
    return next((model.name for model in models if model.model_id == model_id), "a model that is not there")


def _pages(client: MlflowClient, experiment_id: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_logged_models([experiment_id], page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _files(client: MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    for one in client.list_artifacts(run_id, folder):
        if one.is_dir:
            yield from _files(client, run_id, one.path)
        else:
            yield one.path


def _model_files(client: MlflowClient, model_id: str, folder: str | None = None) -> Iterator[str]:
    for one in client.list_logged_model_artifacts(model_id, folder):
        if one.is_dir:
            yield from _model_files(client, model_id, one.path)
        else:
            yield one.path


def _lines(what: str, expected: Any, found: Any) -> Iterator[str]:
    if expected == found:
        return
    if isinstance(expected, dict):
        for key in sorted(expected.keys() | found.keys()):
            yield from _lines(f"{what} {key}", expected.get(key, "nothing"), found.get(key, "nothing"))
    elif isinstance(expected, list) and isinstance(found, list):
        lacking, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        lacks = f"{lacking.total()} of {len(expected)} lack {_first(lacking)}"
        yield f"{what}: {lacks}, {more.total()} too many {_first(more)}"
    else:
        yield f"{what}: expected {expected!r}, found {found!r}"


def _first(counted: Counter[Any]) -> str:
    return f"({', '.join(map(str, list(counted)[:2]))})"


def main(words: list[str]) -> int:
    """Compare two pipeline runs; print the differences."""
    place = words.index("--")
    lines = differences(record(*words[:place]), record(*words[place + 1 :]))
    print("\n".join(lines) or "equal")  # noqa: T201
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
