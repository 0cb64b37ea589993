"""Submitting a compiled pipeline to Kubeflow, waiting for it, and saying in plain words what went wrong."""

import contextlib
import io
import json
import os
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp
import kfp_server_api
from kfp_server_api import ApiException
from urllib3.exceptions import HTTPError

from prunegap.errors import UserError

ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
PATIENCE = 180.0
LOST_POLLS = 10


@dataclass(frozen=True)
class Target:
    """Where to submit.

    Attributes:
        host: address of the Kubeflow Pipelines API, e.g. http://localhost:8080.
        namespace: profile namespace on a Kubeflow that serves several users; empty elsewhere.
        token: bearer token; empty: none.
    """

    host: str
    namespace: str = ""
    token: str = ""

    def connect(self) -> kfp.Client:
        """Return a client of a server that answers.

        Raises:
            UserError: no address, nobody there, a token that is refused, or a namespace that is needed and not given.
        """
        parts = urlsplit(self.host)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UserError(f"--host {self.host}: must be an address with http:// or https://")
        with plain_errors(self), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            health = self._health()
            client = kfp.Client(
                host=self.host, namespace=self.namespace or "kubeflow", existing_token=self.token or None
            )
        if health.multi_user and not self.namespace:
            raise UserError(f"{self.host}: this Kubeflow serves several users; name your profile with --namespace")
        return client

    def _health(self) -> Any:  # noqa: ANN401 - kfp's answer
        """Ask once whether the server answers: kfp's client would ask for half a minute before it says no."""
        settings: Any = kfp_server_api.Configuration(host=self.host)
        if self.token:
            settings.api_key["authorization"], settings.api_key_prefix["authorization"] = self.token, "Bearer"
        settings.retries = False
        api: Any = kfp_server_api.HealthzServiceApi(kfp_server_api.ApiClient(settings))
        return api.healthz_service_get_healthz()


def submit(
    client: kfp.Client, target: Target, package: Path, arguments: Mapping[str, Any], *, experiment: str, name: str
) -> str:
    """Start a run of a package with these arguments, and its own defaults for the others; return its id.

    Raises:
        UserError: what the server refuses.
    """
    with plain_errors(target), contextlib.redirect_stdout(io.StringIO()):
        run: Any = client.create_run_from_pipeline_package(
            str(package),
            arguments=dict(arguments),
            run_name=name,
            experiment_name=experiment,
            namespace=target.namespace or None,
        )
    return run.run_id


def run_link(target: Target, run_id: str) -> str:
    """Return the run's page in Kubeflow."""
    return f"{target.host.rstrip('/')}/#/runs/details/{run_id}"


def wait(
    client: kfp.Client, target: Target, run_id: str, *, timeout: float, say: Callable[[str], None], pause: float = 5.0
) -> None:
    """Wait until a run has ended; say what its tasks do as they do it.

    Raises:
        UserError: it failed (which tasks, and why), was canceled, or is not done after ``timeout`` seconds.
    """
    told = _Told(say)
    began, lost = time.monotonic(), 0
    while True:
        try:
            with plain_errors(target):
                run: Any = client.get_run(run_id)
            lost = 0
        except UserError as error:
            lost += 1
            if lost >= LOST_POLLS or not isinstance(error.__cause__, HTTPError):
                raise UserError(f"{error}; the run goes on: {run_link(target, run_id)}") from error
            run = None
        if run is not None:
            tasks = list((run.run_details and run.run_details.task_details) or [])
            told.update(tasks)
            if run.state in ENDED:
                break
        if time.monotonic() - began > timeout:
            raise UserError(
                f"run {run_id}: not done after {timeout:.0f} s; it goes on: {run_link(target, run_id)}; wait longer "
                "with --timeout"
            )
        time.sleep(pause)
    if run.state != "SUCCEEDED":
        raise UserError("\n".join(_failure(run, tasks, run_link(target, run_id))))


class _Told:
    """Says what became of each task once, and of one that stays pending where to look."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._states, self._since, self._hinted = say, dict[str, str](), dict[str, float](), set[str]()

    def update(self, tasks: list[Any]) -> None:
        """Take note of the tasks as the server describes them."""
        for task in tasks:
            name, state = task.display_name or task.task_id, task.state or "PENDING"
            if self._states.get(task.task_id) != state:
                self._states[task.task_id], self._since[task.task_id] = state, time.monotonic()
                self._say(f"{name}: {state.lower()}")
            waited = time.monotonic() - self._since[task.task_id]
            if state == "PENDING" and waited > PATIENCE and task.task_id not in self._hinted:
                self._hinted.add(task.task_id)
                pod = task.pod_name or "<pod>"
                self._say(
                    f"{name}: pending for {waited:.0f} s; `kubectl describe pod {pod}` says why (an image that cannot "
                    "be pulled, a missing secret or claim, no node with a free GPU)"
                )


def _failure(run: Any, tasks: list[Any], link: str) -> list[str]:  # noqa: ANN401 - kfp's answer
    reason = f": {run.error.message}" if run.error and run.error.message else ""
    lines = [f"the run {run.state.lower()}{reason}; its logs: {link}"]
    for task in tasks:
        if task.state == "FAILED":
            said = task.error.message if task.error and task.error.message else "its log says why in its last line"
            lines.append(f"{task.display_name or task.task_id}: failed: {said}")
    return lines


@contextlib.contextmanager
def plain_errors(target: Target) -> Generator[None]:
    """Turn what the client raises into one line that names what to check."""
    try:
        yield
    except ApiException as error:
        raise UserError(f"{target.host}: {_meaning(error, target)}") from error
    except HTTPError as error:
        reason = getattr(error, "reason", None) or error
        line = " ".join(str(reason).split())
        raise UserError(
            f"{target.host}: the Kubeflow API cannot be reached ({line}); check --host, and that its port-forward or "
            "ingress is up"
        ) from error
    except ValueError as error:
        raise UserError(f"{target.host}: {error}") from error


def _meaning(error: Any, target: Target) -> str:  # noqa: ANN401 - an ApiException, which kfp leaves untyped
    said = _body(error.body)
    told = f" (the server says: {said})" if said else ""
    if error.status == 401:
        return f"the token is missing, wrong or expired{told}; get a new one and pass it with --token-file or KFP_TOKEN"
    if error.status == 403:
        where = f"namespace {target.namespace}" if target.namespace else "the API"
        return f"access to {where} is refused{told}; check --namespace and that the token's owner may create runs there"
    if error.status == 404:
        return f"no Kubeflow Pipelines API of version 2 there{told}; check --host"
    if error.status in {400, 409}:
        return f"the request is refused{told}; check --namespace and --experiment-name"
    return f"the server failed with {error.status} {error.reason}{told}; its log tells more"


def _body(body: object) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    with contextlib.suppress(ValueError, AttributeError):
        answer = json.loads(text)
        text = str(answer.get("error_message") or answer.get("message") or answer.get("error") or text)
    return " ".join(text.split())[:300]


def mlflow_link(experiment: str, run_id: str) -> str:
    """Return the pipeline run's page in MLflow, or how to find it where MLFLOW_TRACKING_URI is not set here."""
    from prunegap.tracking.addresses import without_password
    from prunegap.tracking.links import run_page
    from prunegap.tracking.mlflow_client import connect
    from prunegap.tracking.mlflow_runs import PIPELINE_RUN_TAG
    from prunegap.tracking.pipeline_run import find_parent

    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    searched = f"the run tagged {PIPELINE_RUN_TAG} = {run_id} in experiment {experiment}"
    if not uri.startswith("http"):
        return f"{searched} (set MLFLOW_TRACKING_URI to get its link)"
    address = without_password(uri).rstrip("/")
    try:
        client = connect(uri)
        found = client.get_experiment_by_name(experiment)
        run = found and find_parent(client, found.experiment_id, run_id)
    except Exception as error:
        return f"{searched} ({address} does not answer: {type(error).__name__})"
    if not run:
        return f"{searched} ({address} does not have it yet)"
    return run_page(uri, run.info.experiment_id, run.info.run_id)
