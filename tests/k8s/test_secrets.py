"""No secret is written down, every one asked for comes from somewhere, and the generator takes what users fill in."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from k8s.conftest import Built
from k8s.manifests import FOLDER, Document, build, copy_with_secrets, named, plain_name, settings_of, workloads
from prunegap_pipelines.resources import Resources

# Made by hand or by an overlay, never by the base: README.md says how.
S3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
LOCAL = {"prunegap-s3": S3, "prunegap-data-s3": S3, "prunegap-postgres": {"POSTGRES_PASSWORD"}}
LOGIN = {"prunegap-login": {"client-id", "client-secret", "cookie-secret"}}
PRODUCTION = {
    "prunegap-s3": S3,
    "prunegap-postgres": {"POSTGRES_PASSWORD"},
    "prunegap-postgres-tls": {"ca.crt"},
    **LOGIN,
}
FROM_OUTSIDE = LOCAL | PRODUCTION
SMELLS = re.compile(r"pass(word|wd)?|secret|token|credential|access_?key|api_?key", re.IGNORECASE)


def asked_for(documents: list[Document]) -> dict[str, set[str]]:
    """The keys that pods read, by the secret's name."""
    asked: dict[str, set[str]] = {}
    for workload in workloads(documents):
        for container in workload.containers:
            assert all("secretRef" not in source for source in container.get("envFrom", [])), workload.name
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    asked.setdefault(plain_name(reference["name"]), set()).add(reference["key"])
        for volume in workload.pod.get("volumes", []):
            if "secret" in volume:
                asked.setdefault(volume["secret"]["secretName"], {"ca.crt"})
    return asked


def test_no_secret_is_written_down(built: Built) -> None:
    for name, documents in built.items():
        from_files = name == "overlays/local" or name.startswith("components/")
        assert bool(named(documents, "Secret")) == from_files, name


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
    assert made == asked_for(local) == LOCAL
    assert asked_for(built["components/login"]) == LOCAL | LOGIN


def test_in_production_an_external_store_brings_every_key_asked_for(built: Built) -> None:
    production = built["overlays/production"]
    brought: dict[str, set[str]] = {}
    for external in named(production, "ExternalSecret").values():
        spec = external["spec"]
        assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "prunegap"}
        assert all(entry["remoteRef"].keys() == {"key", "property"} for entry in spec["data"])
        brought[spec["target"]["name"]] = {entry["secretKey"] for entry in spec["data"]}
    assert brought == asked_for(production) == PRODUCTION


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
    with pytest.raises(AssertionError, match=r"(postgres|data-s3|s3)\.env"):
        build(copy / "overlays/local")


def templates(documents: list[Document]) -> dict[str, Document]:
    return {workload.name: workload.pod for workload in workloads(documents)}


@pytest.mark.parametrize(
    ("changed", "rolled"),
    [
        ("overlays/local/s3.env", {"mlflow", "objectstore", "backup", "restore"}),
        ("overlays/local/data-s3.env", {"objectstore"}),
        ("overlays/local/postgres.env", {"mlflow", "postgres", "backup", "restore", "upgrade"}),
        ("base/mlflow.properties", {"mlflow", "postgres", "backup", "restore", "upgrade"}),
        ("base/bucket.py", {"mlflow"}),
        ("base/identities.json", {"objectstore"}),
        ("maintenance/objects.py", {"backup", "restore"}),
    ],
)
def test_a_change_rolls_out_the_pods_that_read_it_and_no_other(tmp_path: Path, changed: str, rolled: set[str]) -> None:
    copy = copy_with_secrets(tmp_path)
    before = templates(build(copy / "overlays/local"))
    path = copy / changed
    text = path.read_text()
    path.write_text(re.sub(r"=(\S+)$", r"=\1x", text, flags=re.MULTILINE) if "=" in text else text + "\n")
    after = templates(build(copy / "overlays/local"))
    assert {name for name in before if before[name] != after[name]} == rolled


def test_the_pipelines_hold_keys_that_read_data_and_nothing_else(built: Built) -> None:
    """Of the store's two identities one may do everything; no pod beside pipelines names its secret."""
    local = built["overlays/local"]
    identities = json.loads(settings_of(local, "objectstore-identities")["identities.json"])["identities"]
    actions = {one["name"]: one["actions"] for one in identities}
    bucket = settings_of(local, "mlflow-server")["DATA_BUCKET"]
    assert actions == {"platform": ["Admin"], "data": [f"Read:{bucket}", f"List:{bucket}"]}
    (store,) = [pod for pod in workloads(local) if pod.name == "objectstore"]
    (container,) = store.pod["containers"]
    read = {
        name: one["valueFrom"]["secretKeyRef"]
        for one in container["env"]
        if "valueFrom" in one
        for name in [one["name"]]
    }
    for one in identities:
        (pair,) = one["credentials"]
        secret = {"platform": "prunegap-s3", "data": "prunegap-data-s3"}[one["name"]]
        for key, text in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), pair.values(), strict=True):
            reference = read[text.removeprefix("${").removesuffix("}")]
            assert (plain_name(reference["name"]), reference["key"]) == (secret, key)
    for name in ("pipelines", "overlays/gpu"):
        assert asked_for(built[name]).keys() <= {"prunegap-data-s3"}
    assert Resources().s3_secret == "prunegap-data-s3"
    assert Resources().pull_secret == "prunegap-registry"
