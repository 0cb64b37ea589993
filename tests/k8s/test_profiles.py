"""MLflow for a Kubeflow of several users: what plugins, client and Kubeflow's API server are told fits together.

Truths: kubeflow/pipelines 2.17.0, backend/src/common/plugins/mlflow/config.go (settings, authentications) and
manifests/kustomize/base/installs/multi-user (accounts, labels of roles); mlflow-kubernetes-plugins 2.1.0,
auth/constants.py (group and resources). What a run asks for: read from a server with that plugin during a smoke run.
"""

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from docker.client import DockerClient
from k8s.conftest import Built
from k8s.manifests import FOLDER, Document, named, workloads
from prunegap_pipelines.images import ImageLock

SETTINGS = {
    "workspacesEnabled", "authType", "credentialSecretRef", "experimentDescription", "defaultExperimentName",
    "kfpBaseURL", "kfpRunURLPathTemplate", "mlflowBaseURL", "mlflowUIPathPrefix", "injectUserEnvVars",
}  # fmt: skip
AUTHENTICATIONS = {"kubernetes", "bearer", "basic-auth", "none"}
ASKED_BY_A_RUN = {"get", "list", "create", "update"}
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
CLIENT = """
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.headers["Authorization"], self.headers["X-MLFLOW-WORKSPACE"], flush=True)
        self.send_response(200), self.send_header("Content-Length", "2"), self.end_headers(), self.wfile.write(b"{}")
    def log_message(self, *words): pass
server = HTTPServer(("127.0.0.1", 5000), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
from mlflow import MlflowClient
MlflowClient("http://127.0.0.1:5000").search_experiments()
"""


def merged(*files: Path) -> Document:
    command = [sys.executable, str(FOLDER / "render.py"), "--merge", *map(str, files)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["plugins"]["mlflow"]


def test_kubeflow_is_told_settings_that_it_knows_and_the_profiles_change_two_of_them() -> None:
    one, several = FOLDER / "kubeflow/mlflow-plugin.json", FOLDER / "kubeflow/mlflow-plugin-profiles.json"
    alone, together = json.loads(one.read_text())["plugins"]["mlflow"], merged(one, several)
    assert together["endpoint"] == alone["endpoint"]
    for plugin in (alone, together):
        assert plugin["settings"].keys() <= SETTINGS
        assert plugin["settings"]["authType"] in AUTHENTICATIONS
    changed = {key for key in SETTINGS if alone["settings"].get(key) != together["settings"].get(key)}
    assert changed == {"authType", "workspacesEnabled"}
    assert (together["settings"]["authType"], together["settings"]["workspacesEnabled"]) == ("kubernetes", True)


def test_the_workspaces_are_the_namespaces_that_the_readme_labels(built: Built) -> None:
    (server,) = [pod for pod in workloads(built["components/profiles"]) if pod.name == "mlflow"]
    words: list[str] = server.main["args"]
    given = {word.split("=", 1)[0]: word.partition("=")[2] for word in words}
    assert given["--app-name"] == "kubernetes-auth"
    assert "--enable-workspaces" in given
    store = urlsplit(given["--workspace-store-uri"])
    assert store.scheme == "kubernetes"
    (label,) = parse_qs(store.query)["label_selector"]
    readme = (FOLDER / "README.md").read_text()
    assert f"kubectl label namespace kubeflow {label}" in readme


def test_editors_and_steps_may_do_what_a_run_asks_for_and_the_server_sees_namespaces_only(built: Built) -> None:
    documents = built["components/profiles"]
    roles = named(documents, "ClusterRole")
    (edit,) = roles["prunegap-mlflow-edit"]["rules"]
    (view,) = roles["prunegap-mlflow-view"]["rules"]
    assert edit["apiGroups"] == view["apiGroups"] == ["mlflow.kubeflow.org"]
    assert "experiments" in edit["resources"]
    assert set(edit["verbs"]) >= ASKED_BY_A_RUN
    assert set(view["verbs"]) == {"get", "list"}
    for which in ("edit", "view"):
        labels = roles[f"prunegap-mlflow-{which}"]["metadata"]["labels"]
        assert labels[f"rbac.authorization.kubeflow.org/aggregate-to-kubeflow-{which}"] == "true"
    assert roles["prunegap-mlflow"]["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}
    ]
    subjects = {
        name: [(one["kind"], one["name"], one["namespace"]) for one in binding["subjects"]]
        for name, binding in named(documents, "ClusterRoleBinding").items()
    }
    assert subjects == {
        "prunegap-mlflow": [("ServiceAccount", "mlflow", "prunegap")],
        "prunegap-mlflow-kubeflow": [("ServiceAccount", "ml-pipeline", "kubeflow")],
    }


def test_mlflows_image_gets_the_plugin_where_its_python_can_hold_it() -> None:
    asked = (FOLDER.parent / "docker/mlflow.in").read_text()
    assert 'mlflow-kubernetes-plugins>=2.1 ; python_version >= "3.12"' in asked
    locked = (FOLDER.parent / "requirements/mlflow.lock").read_text()
    assert re.search(r"^mlflow-kubernetes-plugins==2\.\S+ ; python_full_version >= '3.12'", locked, re.MULTILINE)


@pytest.mark.docker
@pytest.mark.slow
def test_a_stage_sends_its_accounts_token_and_workspace(engine: DockerClient, images: ImageLock) -> None:
    """As Kubeflow sets it up for authType kubernetes: MLFLOW_TRACKING_AUTH, and the account's files in the pod."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in {"token": b"a-token", "namespace": b"team-a"}.items():
            entry = tarfile.TarInfo(f"{ACCOUNT}/{name}".lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    container = engine.containers.create(
        images.images["stage"].tag,
        ["-c", CLIENT],
        entrypoint=["python3"],
        environment={"MLFLOW_TRACKING_AUTH": "kubernetes-namespaced"},
    )
    try:
        assert container.put_archive("/", packed.getvalue())
        container.start()
        assert container.wait(timeout=1800)["StatusCode"] == 0, container.logs().decode()
        assert container.logs().decode().strip() == "Bearer a-token team-a"
    finally:
        container.remove(force=True, v=True)
