"""Truth: the tensors that were registered in a real MLflow registry on sqlite."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from prunegap.acquisition.fetch import fetch_weights
from prunegap.acquisition.meaning import stored_spec
from prunegap.acquisition.read import read_weights
from prunegap.artifacts.model import save_model
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec

SPEC = ModelSpec("small_cnn", 3, 1, 8, class_names=("a", "b", "c"), channel_mean=(0.4,), channel_std=(0.3,))
from_registry = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # MLflow's own


def kept_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir()] if cache.exists() else []


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield a sqlite registry with models: plain (1: a .pt, 2: two files), own (1 dense, 2 sparse)."""
    folder = tmp_path_factory.mktemp("registry")
    import mlflow
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder}/mlflow.db"
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    experiment = client.create_experiment("weights", artifact_location=(folder / "artifacts").as_uri())

    def version(name: str, contents: Path) -> None:
        run = client.create_run(experiment)
        client.log_artifacts(run.info.run_id, str(contents), "model")
        client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)

    for name in ("plain", "own"):
        client.create_registered_model(name)
    one = folder / "one"
    one.mkdir()
    torch.save({"weight": torch.ones(2)}, one / "net.pt")
    (one / "readme.txt").write_text("not weights")
    version("plain", one)
    torch.save({"weight": torch.ones(3)}, one / "other.pth")
    version("plain", one)
    client.set_registered_model_alias("plain", "good", "1")
    spec = SPEC
    state = build(spec).state_dict()
    for number, masks in enumerate([None, {"conv2.weight": torch.ones(64, 32, 3, 3, dtype=torch.bool)}]):
        artifact = folder / f"own{number}" / "dense_model"
        artifact.mkdir(parents=True)
        save_model(artifact, spec, state, masks)
        (artifact / "manifest.json").write_text(json.dumps({}))
        version("own", artifact.parent)
    yield uri
    cast("Any", mlflow).set_tracking_uri(before)


@from_registry
@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("source", ["models:/plain/1", "models:/plain@good"])
def test_a_registered_model_is_found_by_version_and_alias(source, tmp_path: Path):
    path = fetch_weights(source, sha256="", cache=tmp_path)
    assert read_weights(path)["weight"].tolist() == [1, 1]
    assert kept_in(tmp_path) == [path.name]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fetch_weights(source, sha256=sha256[:10], cache=tmp_path) == path


@from_registry
@pytest.mark.usefixtures("registry")
def test_our_own_dense_model_comes_from_the_registry_with_its_meaning(tmp_path: Path):
    path = fetch_weights("models:/own/1", sha256="", cache=tmp_path)
    assert set(read_weights(path)) == set(build(SPEC).state_dict())
    assert stored_spec(path) == SPEC


@from_registry
@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("models:/plain/2", r"expected one file of weights .*, found (model/)?net\.pt, (model/)?other\.pth"),
        ("models:/own/2", "holds a sparse model .*; name a dense model instead"),
        ("models:/plain/9", "models:/plain/9: .*[Nn]ot found.*models:/name/version or models:/name@alias"),
        ("models:/plain@bad", "models:/plain@bad: .*alias bad not found"),
        ("models:/nobody/1", "models:/nobody/1: .*[Nn]ot found"),
        ("models:", "models:"),
    ],
)
def test_an_unusable_registered_model_is_refused_in_one_line(source, message, tmp_path: Path):
    with pytest.raises(UserError, match=message) as caught:
        fetch_weights(source, sha256="", cache=tmp_path)
    assert "\n" not in str(caught.value)
    assert kept_in(tmp_path) == []
