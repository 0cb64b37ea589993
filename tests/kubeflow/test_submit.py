"""Truth: what arrives at an HTTP server from kfp's own client, and what its answers make the program say."""

import json
import time
from urllib.request import urlopen

import pytest
from google.protobuf import json_format
from messages import messages
from ports import free_port
from prunegap_pipelines.submit import Target, mlflow_link, wait
from recipes import recipe
from walk import DIGEST

from prunegap.errors import UserError
from prunegap.tracking.mlflow_client import connect


def task(name, state, error=None):
    return {"task_id": name, "display_name": name, "state": state, "pod_name": f"pod-{name}"} | (
        {"error": {"message": error}} if error else {}
    )


def submit(program, api, *words, env=None):
    given = ("--image", DIGEST, "--host", api.host, *words)
    return program("prunegap-pipelines", "submit", "experiments/smoke.yaml", *given, env=env)


def test_a_submission_sends_the_whole_pipeline_and_prints_both_links(program, api, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    api.answers = [
        {"state": "RUNNING", "run_details": {"task_details": [task("prepare_data", "RUNNING")]}},
        {"state": "SUCCEEDED", "run_details": {"task_details": [task("prepare_data", "SUCCEEDED")]}},
    ]
    ended = submit(program, api, "--experiment-name", "faces", "--run-name", "first", "--token-file", token)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        f"Kubeflow: {api.host}/#/runs/details/r-1",
        "MLflow: the run tagged prunegap.pipeline_run = r-1 in experiment smoke (set MLFLOW_TRACKING_URI to get its "
        "link)",
    ]
    assert ended.lines == ["prepare_data: running", "prepare_data: succeeded"]
    assert [one["display_name"] for one in api.experiments] == ["faces"]
    (run,) = api.runs
    assert (run["display_name"], run["experiment_id"]) == ("first", "e-1")
    sent = run["pipeline_spec"]
    spec = json_format.ParseDict(sent["pipeline_spec"], messages.PipelineSpec())
    assert {"cells", "prune_gmp_epochs", "finetune_dual_step_size"} <= set(spec.root.input_definitions.parameters)
    images = {one["container"]["image"] for one in sent["pipeline_spec"]["deploymentSpec"]["executors"].values()}
    assert images == {DIGEST}
    assert "secretAsEnv" in json.dumps(sent["platform_spec"])
    assert set(api.tokens) == {"Bearer secret-token"}
    assert "secret-token" not in ended.out + ended.err


def test_the_readmes_submission_runs_as_written_and_asks_for_gpus(program, api):
    words = recipe("prunegap-pipelines submit")
    words[words.index("--host") + 1] = api.host
    ended = program(*words)
    assert ended.code == 0, ended.err
    executors = api.runs[0]["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"]
    assert executors["exec-finetune"]["container"]["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"


def test_without_the_cache_every_task_is_sent_uncached(program, api):
    assert submit(program, api, "--no-cache", "--no-wait").code == 0
    assert '"enableCache": true' not in json.dumps(api.runs[0]["pipeline_spec"])
    assert not any("/runs/r-1" in path for _, path in api.requests)


def test_a_failed_run_names_its_failed_tasks(program, api):
    api.answers = [
        {
            "state": "FAILED",
            "run_details": {
                "task_details": [
                    task("prepare_data", "SUCCEEDED"),
                    task("prune", "FAILED", "exit code 1: error: sparsity: must be < 1"),
                ]
            },
        }
    ]
    ended = submit(program, api)
    assert ended.code == 1
    assert ended.lines[-2:] == [
        f"error: the run failed; its logs: {api.host}/#/runs/details/r-1",
        "error: prune: failed: exit code 1: error: sparsity: must be < 1",
    ]


@pytest.mark.parametrize(
    ("refused", "words", "line"),
    [
        (
            {("GET", "/apis/v2beta1/healthz"): (401, {"message": "token expired"})},
            (),
            "the token is missing, wrong or expired (the server says: token expired); get a new one and pass it with "
            "--token-file or KFP_TOKEN",
        ),
        (
            {("POST", "/apis/v2beta1/experiments"): (403, {"message": "User anna is not authorized"})},
            ("--namespace", "boris"),
            "access to namespace boris is refused (the server says: User anna is not authorized); check --namespace "
            "and that the token's owner may create runs there",
        ),
        (
            {("POST", "/apis/v2beta1/experiments"): (400, {"message": "namespace borris does not exist"})},
            ("--namespace", "borris"),
            "the request is refused (the server says: namespace borris does not exist); check --namespace and "
            "--experiment-name",
        ),
        (
            {("GET", "/apis/v2beta1/healthz"): (404, {"message": "page not found"})},
            (),
            "no Kubeflow Pipelines API of version 2 there (the server says: page not found); check --host",
        ),
        (
            {("POST", "/apis/v2beta1/runs"): (500, {"message": "database is locked"})},
            (),
            "the server failed with 500 Internal Server Error (the server says: database is locked); its log tells "
            "more",
        ),
    ],
)
def test_what_the_server_refuses_is_said_in_plain_words(program, api, refused, words, line):
    api.refuse = refused
    ended = submit(program, api, *words)
    assert (ended.code, ended.last) == (1, f"error: {api.host}: {line}")
    assert len(ended.lines) == 1
    assert not api.runs


def test_a_host_that_is_not_there_or_no_address_is_named(monkeypatch):
    port, slept = free_port(), []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(
        UserError, match=rf"http://127.0.0.1:{port}: the Kubeflow API cannot be reached \(.*refused.*\); check"
    ):
        Target(f"http://127.0.0.1:{port}").connect()
    assert sum(slept) < 10, "no waiting for what is not there"
    with pytest.raises(UserError, match=r"--host localhost:8080: must be an address with http:// or https://"):
        Target("localhost:8080").connect()


def test_a_kubeflow_of_several_users_needs_a_namespace(api):
    api.multi_user = True
    with pytest.raises(UserError, match="serves several users; name your profile with --namespace"):
        Target(api.host).connect()
    assert Target(api.host, "anna").connect()


def test_waiting_survives_a_short_outage_and_ends_when_the_run_was_canceled(api):
    target = Target(api.host)
    client = target.connect()
    api.answers = [{"state": "RUNNING"}, {"state": "CANCELED", "error": {"message": "terminated by anna"}}]
    with pytest.raises(UserError, match="the run canceled: terminated by anna; its logs: "):
        wait(client, target, "r-1", timeout=3600, say=print, pause=0.01)
    api.answers = [{"state": "RUNNING"}]
    with pytest.raises(UserError, match=r"run r-1: not done after 0 s; it goes on: .*; wait longer with --timeout"):
        wait(client, target, "r-1", timeout=0.05, say=print, pause=0.01)


def test_a_token_that_expires_while_waiting_is_said_and_the_run_goes_on(api):
    target = Target(api.host)
    client = target.connect()
    api.answers = [{"state": "RUNNING"}, (401, {"message": "expired"})]
    with pytest.raises(UserError, match=r"expired\); get a new one .*; the run goes on: http"):
        wait(client, target, "r-1", timeout=3600, say=print, pause=0.01)


def test_a_pending_task_tells_where_to_look(api, monkeypatch):
    monkeypatch.setattr("prunegap_pipelines.submit.PATIENCE", 0.02)
    target = Target(api.host)
    pending = {"state": "RUNNING", "run_details": {"task_details": [task("prune", "PENDING")]}}
    api.answers = [pending, pending, pending, pending, {"state": "SUCCEEDED"}]
    said = []
    wait(target.connect(), target, "r-1", timeout=3600, say=said.append, pause=0.02)
    assert said[0] == "prune: pending"
    assert "`kubectl describe pod pod-prune` says why (an image that cannot be pulled, a missing secret" in said[1]
    assert len(said) == 2


def test_the_link_to_mlflow_says_how_to_find_the_run_if_the_server_is_down(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert mlflow_link("smoke", "r-1").startswith(
        "the run tagged prunegap.pipeline_run = r-1 in experiment smoke (http"
    )


def opened(server, experiment, run_id):
    """Make the parent run of a pipeline run, and a step's within it; return the experiment's and the parent's id."""
    client = connect(server.uri)
    known = client.get_experiment_by_name(experiment)
    experiment_id = known.experiment_id if known else client.create_experiment(experiment)
    tags = {"prunegap.pipeline_run": run_id}
    client.create_run(experiment_id, tags=tags | {"prunegap.stage": "prune"})
    return experiment_id, client.create_run(experiment_id, tags=tags | {"prunegap.stage": "pipeline"}).info.run_id


def test_the_link_to_mlflow_is_the_page_of_the_very_run(program, api, server):
    opened(server, "smoke", "another-run")
    experiment_id, run_id = opened(server, "smoke", "r-1")
    ended = submit(program, api, env={"MLFLOW_TRACKING_URI": f"{server.uri}/"})
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        f"Kubeflow: {api.host}/#/runs/details/r-1",
        f"MLflow: {server.uri}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning",
    ]
    with urlopen(f"{server.uri}/api/2.0/mlflow/runs/get?run_id={run_id}") as answer:
        run = json.load(answer)["run"]
    assert run["info"]["experiment_id"] == experiment_id
    assert {"key": "prunegap.pipeline_run", "value": "r-1"} in run["data"]["tags"]


def test_the_link_to_mlflow_shows_no_password(server, monkeypatch):
    experiment_id, run_id = opened(server, "secret", "r-2")
    address = server.uri.removeprefix("http://")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:secret-word@{address}")
    page = f"http://anna@{address}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
    assert mlflow_link("secret", "r-2") == page


@pytest.mark.parametrize("experiment", ["smoke", "never-run"])
def test_a_run_that_mlflow_does_not_have_yet_is_said_so(server, monkeypatch, experiment):
    opened(server, "smoke", "another-run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert mlflow_link(experiment, "r-9") == (
        f"the run tagged prunegap.pipeline_run = r-9 in experiment {experiment} ({server.uri} does not have it yet)"
    )
