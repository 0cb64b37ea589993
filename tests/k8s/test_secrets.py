"""No secret is written down, every one asked for comes from somewhere, and the generator takes what users fill in."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from k8s.conftest import Built
from k8s.manifests import FOLDER, Document, build, named, workloads

# Made by hand or by an overlay, never by the base: README.md says how.
FROM_OUTSIDE = {
    "prunegap-s3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
    "prunegap-postgres": {"POSTGRES_PASSWORD"},
}
SMELLS = re.compile(r"pass(word|wd)?|secret|token|credential|access_?key|api_?key", re.IGNORECASE)


def asked_for(documents: list[Document]) -> dict[str, set[str]]:
    """The keys that pods read, by the secret's name."""
    asked: dict[str, set[str]] = {}
    for workload in workloads(documents):
        for container in workload.containers:
            assert all("secretRef" not in source for source in container.get("envFrom", [])), workload.name
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    asked.setdefault(reference["name"], set()).add(reference["key"])
    return asked


def test_no_secret_is_written_down(built: Built) -> None:
    for name, documents in built.items():
        assert bool(named(documents, "Secret")) == (name == "overlays/local"), name


def test_nothing_that_smells_of_a_password_has_a_value(documents: list[Document]) -> None:
    for settings in named(documents, "ConfigMap").values():
        assert not [key for key in settings["data"] if SMELLS.search(key)], settings["metadata"]["name"]
        assert not [v for v in settings["data"].values() if re.search(r"://[^/\s@]+:[^/\s@]+@", v)]
    for workload in workloads(documents):
        for container in workload.containers:
            for variable in container.get("env", []):
                assert not (SMELLS.search(variable["name"]) and "value" in variable), variable
            assert not [word for word in container.get("args", []) if SMELLS.search(word)], workload.name


def test_every_secret_asked_for_is_one_that_the_readme_says_to_make(documents: list[Document]) -> None:
    for name, keys in asked_for(documents).items():
        assert keys <= FROM_OUTSIDE[name]
        assert f"`{name}`" in (FOLDER / "README.md").read_text()


def test_locally_the_generator_makes_every_key_asked_for(built: Built) -> None:
    local = built["overlays/local"]
    made = {name: set(secret["data"]) for name, secret in named(local, "Secret").items()}
    assert made == asked_for(local) == FROM_OUTSIDE


def test_in_production_an_external_store_brings_every_key_asked_for(built: Built) -> None:
    production = built["overlays/production"]
    brought: dict[str, set[str]] = {}
    for external in named(production, "ExternalSecret").values():
        spec = external["spec"]
        assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "prunegap"}
        assert all(entry["remoteRef"].keys() == {"key", "property"} for entry in spec["data"])
        brought[spec["target"]["name"]] = {entry["secretKey"] for entry in spec["data"]}
    assert brought == asked_for(production) == FROM_OUTSIDE


def test_git_sees_the_examples_and_never_the_secrets() -> None:
    overlay = FOLDER / "overlays/local"
    generators = yaml.safe_load((overlay / "kustomization.yaml").read_text())["secretGenerator"]
    files = [file for generator in generators for file in generator["envs"]]
    ignored = (overlay / ".gitignore").read_text().split()
    assert ignored == ["*.env"]
    for file in files:
        assert file.endswith(".env")
        example = (overlay / f"{file}.example").read_text()
        assert all(line.startswith("#") or line.endswith("=") for line in example.splitlines())


@pytest.mark.usefixtures("built")
def test_without_secrets_the_local_overlay_is_refused_by_the_files_name(tmp_path: Path) -> None:
    copy = tmp_path / "k8s"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*.env"))
    with pytest.raises(AssertionError, match=r"(postgres|s3)\.env"):
        build(copy / "overlays/local")
