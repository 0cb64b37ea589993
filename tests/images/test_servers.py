"""The servers' images, asked over the network by the clients that everybody uses."""

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

pytestmark = pytest.mark.docker

PATIENCE = 900  # seconds before the engine kills what it was asked to stop
KEYS = {"AWS_ACCESS_KEY_ID": "a-test-key", "AWS_SECRET_ACCESS_KEY": "a-test-secret"}


def address(container, port):
    container.reload()
    return f"http://127.0.0.1:{container.ports[f'{port}/tcp'][0]['HostPort']}"


def health(container):
    container.reload()
    return container.attrs["State"]["Health"]["Status"]


def runs(container):
    return container.attrs["State"]["Status"] == "running"


def s3(endpoint, secret=KEYS["AWS_SECRET_ACCESS_KEY"]):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )


def test_mlflow_answers_reports_healthy_and_refuses_unknown_hosts(start, lock, until):
    server = start(
        lock.reference("mlflow"), ports={"5000/tcp": ("127.0.0.1", None)}, environment={"MLFLOW_WORKERS": "1"}
    )
    until(lambda: health(server) == "healthy", lambda: runs(server), server.logs)
    here = address(server, 5000)
    with urllib.request.urlopen(f"{here}/health") as answer:
        assert answer.read() == b"OK"
    search = f"{here}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
    with urllib.request.urlopen(search) as answer:
        assert b"mlflow-artifacts:" in answer.read()
    stranger = urllib.request.Request(search, headers={"Host": "mlflow.example:5000"})
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(stranger)
    refused.value.close()
    server.stop(timeout=PATIENCE)
    assert server.wait()["StatusCode"] in (0, 143)


HOLD_UP = """
import os, pathlib, signal, time
lines = {file.parent.name: file.read_bytes() for file in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
workers = [int(process) for process, line in lines.items() if b"spawn_main(" in line and int(process) != os.getpid()]
for worker in workers:
    os.kill(worker, signal.SIGSTOP)
time.sleep(12)
for worker in workers:
    os.kill(worker, signal.SIGCONT)
print(len(workers))
"""


def test_a_worker_of_mlflow_that_is_held_up_is_waited_for_and_not_killed(start, lock, until):
    server = start(lock.reference("mlflow"), environment={"MLFLOW_WORKERS": "2"})
    until(lambda: health(server) == "healthy", lambda: runs(server), server.logs)
    assert server.exec_run(["python", "-c", HOLD_UP]) == (0, b"2\n")
    asked = server.exec_run(["python", "/opt/healthy.py"])
    assert asked == (0, b""), asked.output.decode()
    assert b"died" not in server.logs()


def test_mlflow_speaks_postgresql_and_s3_and_has_no_torch(run, lock):
    imports = "import importlib.util as u, psycopg, boto3, sqlalchemy.dialects.postgresql.psycopg"
    script = f"{imports}; print(u.find_spec('torch'))"
    assert run(lock.reference("mlflow"), "-c", script, entrypoint="python") == (0, "None\n")


def test_the_object_store_keeps_objects_for_those_who_have_the_keys(start, lock, volume, until):
    mounts = {volume: {"bind": "/data", "mode": "rw"}}
    settings = {"ports": {"8333/tcp": ("127.0.0.1", None)}, "environment": KEYS, "volumes": mounts}
    server = start(lock.reference("objectstore"), **settings)
    until(lambda: health(server) == "healthy", lambda: runs(server), server.logs)
    client = s3(address(server, 8333))
    client.create_bucket(Bucket="mlflow")
    body = bytes(range(256)) * 40_000
    client.put_object(Bucket="mlflow", Key="runs/1/weights", Body=body)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3(address(server, 8333), "another").list_buckets()
    server.stop(timeout=PATIENCE)
    again = start(lock.reference("objectstore"), **settings)
    until(lambda: health(again) == "healthy", lambda: runs(again), again.logs)
    client = s3(address(again, 8333))
    listed = [(entry["Key"], entry["Size"]) for entry in client.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert listed == [("runs/1/weights", len(body))]
    assert client.get_object(Bucket="mlflow", Key="runs/1/weights")["Body"].read() == body


def test_an_object_store_without_keys_does_not_start(run, lock):
    code, said = run(lock.reference("objectstore"), environment={"AWS_ACCESS_KEY_ID": "a-test-key"})
    assert code == 2
    assert "AWS_SECRET_ACCESS_KEY: set it to the secret key to ask for" in said
