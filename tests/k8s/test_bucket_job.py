"""What makes the buckets, its own command in a process of its own, against a real S3 server over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import boto3
import pytest
from k8s.manifests import FOLDER, Document, named, settings_of, workloads
from ports import free_port

BUCKET = "mlflow-of-a-test"
REFUSE_ALL = {"INITIAL_NO_AUTH_ACTION_COUNT": "0"}
Store = Callable[..., str]


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def start_store() -> Iterator[Store]:
    """Starts an S3 server in a process of its own and gives its address."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(port: int = 0, **settings: str) -> str:
        port = port or free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        servers.append(
            subprocess.Popen(
                command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        while not listens(port):
            assert servers[-1].poll() is None
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.terminate()
        server.wait()


def environment_of(address: str, wait: float, region: str) -> dict[str, str]:
    """All that the job reads."""
    return {
        "ARTIFACT_BUCKET": BUCKET,
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "BUCKET_WAIT_SECONDS": str(wait),
    }


def job(address: str, wait: float = 0, region: str = "us-east-1") -> subprocess.Popen[str]:
    command = [sys.executable, str(FOLDER / "base/bucket.py")]
    environment = environment_of(address, wait, region)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out.strip(), err.strip()


def there(address: str) -> list[str]:
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    buckets = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    client.close()
    return buckets


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_bucket_is_made_and_a_second_run_leaves_it_alone(start_store: Store, region: str) -> None:
    address = start_store()
    assert ended(job(address, region=region)) == (0, f"bucket {BUCKET} at {address}: made", "")
    assert ended(job(address, region=region)) == (0, f"bucket {BUCKET} at {address}: is there already", "")
    assert there(address) == [BUCKET]


def test_the_bucket_of_data_is_made_too_where_one_is_wanted(start_store: Store) -> None:
    address = start_store()
    environment = environment_of(address, 0, "us-east-1")
    for data_bucket, expected in (("", [BUCKET]), ("data-of-a-test", [BUCKET, "data-of-a-test"])):
        command = [sys.executable, str(FOLDER / "base/bucket.py")]
        subprocess.run(command, env=environment | {"DATA_BUCKET": data_bucket}, check=True, capture_output=True)
        assert sorted(there(address)) == sorted(expected)


def test_several_pods_at_once_all_find_or_make_it(start_store: Store) -> None:
    address = start_store()
    outcomes = [ended(pod) for pod in [job(address, region="eu-central-1") for _ in range(6)]]
    assert {code for code, _, _ in outcomes} == {0}, outcomes
    assert there(address) == [BUCKET]


def test_a_store_that_starts_later_is_waited_for(start_store: Store) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as not_yet:
        waiting = job(f"http://127.0.0.1:{port}", wait=3600)
        for _ in range(3):  # each try is one of the client's and one more; the third is the job's second
            not_yet.accept()[0].close()
        assert waiting.poll() is None
    address = start_store(port)
    assert ended(waiting)[0] == 0
    assert there(address) == [BUCKET]


def test_a_store_that_never_answers_is_given_up_in_one_line() -> None:
    code, _, trouble = ended(job(f"http://127.0.0.1:{free_port()}"))
    assert code == 1
    assert trouble.count("\n") == 0
    assert "does not answer" in trouble


def test_a_refusal_is_not_waited_out_and_names_the_secret(start_store: Store) -> None:
    code, _, trouble = ended(job(start_store(**REFUSE_ALL), wait=3600))
    assert code == 1
    assert "refused" in trouble
    assert "secret prunegap-s3" in trouble


def test_an_address_without_a_scheme_is_a_mistake_of_the_settings() -> None:
    code, _, trouble = ended(job("objectstore:8333", wait=3600))
    assert code == 1
    assert "config map mlflow-server" in trouble
    assert "Traceback" not in trouble


def test_mlflows_pod_runs_the_tested_file_with_all_it_reads(platform: list[Document]) -> None:
    settings = settings_of(platform, "bucket-script")
    assert settings == {"bucket.py": (FOLDER / "base/bucket.py").read_text()}
    (pod,) = [workload for workload in workloads(platform) if workload.name == "mlflow"]
    container = next(one for one in pod.pod["initContainers"] if one["name"] == "buckets")
    (script,) = [mount for mount in container["volumeMounts"] if mount["name"] == "scripts"]
    assert container["command"][-1] == f"{script['mountPath']}/bucket.py"
    given = {variable["name"] for variable in container["env"]} | settings_of(platform, "mlflow-server").keys()
    read = {
        "ARTIFACT_BUCKET",
        "AWS_ENDPOINT_URL_S3",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }
    assert read <= given


def test_nothing_that_is_applied_again_is_a_job_which_cannot_be_changed(documents: list[Document]) -> None:
    assert not named(documents, "Job")
