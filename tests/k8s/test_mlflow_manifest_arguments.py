"""The server started with the manifest's own arguments (its database apart), asked by the names the manifest allows."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from k8s.conftest import Built
from k8s.manifests import Document, named, settings_of, workloads
from ports import free_port


def arguments(documents: list[Document]) -> list[str]:
    """The server's arguments with the settings put in, as the kubelet does."""
    (server,) = [workload for workload in workloads(documents) if workload.name == "mlflow"]
    settings = settings_of(documents, "mlflow-server")
    args = server.main["args"]
    return [re.sub(r"\$\((\w+)\)", lambda match: settings[match[1]], argument) for argument in args]


def status(port: int, path: str, host: str) -> int:
    return answer_of(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host}))


def posted(port: int, host: str, origin: str) -> int:
    """What a page's call is answered that comes from an address; to change something is refused to strangers."""
    headers = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
    path = "/ajax-api/2.0/mlflow/runs/search"
    body = b'{"experiment_ids": ["0"]}'
    return answer_of(urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers))


def answer_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def answers(port: int) -> bool:
    try:
        return status(port, "/health", "10.0.0.7:5000") == 200
    except OSError:
        return False


@pytest.fixture(scope="module", params=["base", "overlays/production"])
def documents(request: pytest.FixtureRequest, built: Built) -> list[Document]:
    return built[request.param]


@pytest.fixture(scope="module")
def port(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("mlflow")
    number = free_port()
    here = {
        "--host": "127.0.0.1",
        "--port": str(number),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{folder}/m.db",
    }
    given = dict(argument.split("=", 1) for argument in arguments(documents))
    assert here.keys() <= given.keys()
    command = [f"{flag}={value}" for flag, value in (given | here).items()]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "HOME": str(folder)}
    program = [sys.executable, "-m", "mlflow", "server", *command]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(program, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while not answers(number):
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.3)
        yield number
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def test_every_name_of_the_manifest_is_answered_and_no_other(port: int, documents: list[Document]) -> None:
    hosts = settings_of(documents, "mlflow-server")["ALLOWED_HOSTS"].split(",")
    path = "/api/2.0/mlflow/experiments/search?max_results=1"
    for host in hosts:
        assert status(port, path, host.replace("*", "5000")) == 200, host
    for stranger in ("mlflow", "evil.example:5000", "mlflow.evil.example:5000", "10.0.0.7:5000"):
        assert status(port, path, stranger) == 403, stranger


def probes(documents: list[Document]) -> dict[str, Document]:
    (server,) = [workload for workload in workloads(documents) if workload.name == "mlflow"]
    return {key: probe["httpGet"] for key, probe in server.main.items() if key.endswith("Probe")}


def test_the_kubelets_probes_are_answered_by_the_pods_address(port: int, documents: list[Document]) -> None:
    asked = probes(documents)
    assert asked.keys() == {"startupProbe", "readinessProbe", "livenessProbe"}
    for probe in asked.values():
        headers = {header["name"]: header["value"] for header in probe.get("httpHeaders", [])}
        assert status(port, probe["path"], headers.get("Host", "10.0.0.7:5000")) == 200


def test_the_address_that_people_open_may_change_things_and_no_other(port: int, documents: list[Document]) -> None:
    settings = settings_of(documents, "mlflow-server")
    for origin in settings["ALLOWED_ORIGINS"].split(","):
        assert posted(port, "mlflow:5000", origin) == 200
    assert posted(port, "mlflow:5000", "https://evil.example") == 403
    way = named(documents, "Ingress")
    public = {f"https://{rule['host']}" for one in way.values() for rule in one["spec"]["rules"]}
    assert public <= set(settings["ALLOWED_ORIGINS"].split(","))
    assert all(posted(port, origin.removeprefix("https://"), origin) == 200 for origin in public)
