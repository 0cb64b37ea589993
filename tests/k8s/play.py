"""Play the local overlay with podman on this machine, run the smoke experiment against it, and take everything away.

    PYTHONPATH=tests .venv/bin/python -m k8s.play

As the manifests have it: users, dropped capabilities, read-only roots, arguments, settings and secrets by reference,
volumes and claims, first containers, limits, jobs, and every probe. Needs root, podman, and Docker with the images of
`make images` (others: STAGE_IMAGE, MLFLOW_IMAGE). What podman 4.3 does not know, and what stands in for it, is told at
the end (STAND_INS).
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from k8s.manifests import FOLDER, Document, build, copy_with_secrets, named, settings_of, with_component, workloads
from k8s.played import OBJECTSTORE, SERVERS, Played, claim_of
from k8s.podman import NotAsTheManifestSaysError, Podman, in_podman

NETWORK, SUBNET = "prunegap-play", "10.97.0.0/24"
SEAWEEDFS, POSTGRES, POSTGRES_AS_999 = "chrislusf/seaweedfs:4.48", "postgres:15-bookworm", "prunegap-play/postgres:999"
JOBS = ("load-data", "own-claims", "smoke", "backup", "restore", "upgrade")
STAND_INS = (
    "StatefulSet: played as a pod with the claims of its templates",
    "CronJob: its pod is played when it is started by hand",
    "Service: every pod gets the services' names in its hosts file; NetworkPolicy: nobody is kept out",
    "Secret: given to podman beside the pods, which read it by reference",
    "probes: podman knows exec and liveness only, and its timers want systemd: asked from outside, as a kubelet does",
    "fsGroup: ignored, as some storage does; components/volume-owner and the job own-claims give volumes their owners",
    "$(VARIABLE) in arguments: put in before, as a kubelet does",
    "restartPolicy: OnFailure, as Always would start first containers again, too",
    "emptyDir: a volume of the pod's, in memory where it says so",
    "sizeLimit on disk, seccompProfile, account, quota: ignored",
)


def has(image: str) -> bool:
    """Whether Docker has an image."""
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def images(podman: Podman) -> dict[str, str]:
    """The images of the manifests as podman has them; what cannot be had is stood in for."""
    folder = str(FOLDER.parent / "tests/k8s/postgres")
    command = ["docker", "build", "--quiet", "--tag", POSTGRES_AS_999, "--build-arg", f"BASE={POSTGRES}", folder]
    subprocess.run(command, check=True, capture_output=True)
    store = SEAWEEDFS if has(SEAWEEDFS) else OBJECTSTORE
    known = {
        "localhost/prunegap/mlflow:dev": os.environ.get("MLFLOW_IMAGE", "localhost/prunegap/mlflow:dev"),
        "localhost/prunegap/stage:dev": os.environ.get("STAGE_IMAGE", "localhost/prunegap/stage:dev"),
        POSTGRES: POSTGRES_AS_999,
        SEAWEEDFS: store,
    }
    for image in known.values():
        podman.take_image(image)
    return {name: in_podman(image) for name, image in known.items()}


@contextmanager
def one_at_a_time() -> Generator[None]:
    """Wait while another of these runs on this machine: their names are the same."""
    with Path(tempfile.gettempdir(), f"{NETWORK}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def played(network: str = NETWORK, subnet: str = SUBNET) -> Generator[tuple[Played, list[Document]]]:
    """The platform and what lies beside pipelines, with nothing running yet; all of it is taken away at the end."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        hosts = iter(ip_network(subnet).hosts())
        next(hosts)  # the bridge's own
        copy = copy_with_secrets(folder)
        platform, beside = with_component(copy, "components/volume-owner"), build(copy / "pipelines")
        documents = [*platform, *beside]
        secrets, volumes = named(platform, "Secret"), [f"{network}-{claim}" for claim in claims(documents)]
        given = {f"{network}-{one['metadata']['name']}": one["data"] for one in secrets.values()}
        given[f"{network}-prunegap-data-s3"] = secrets["prunegap-data-s3"]["data"]  # where pipelines run
        podman = Podman.start(folder, network, subnet)
        cluster = Played(
            podman,
            documents,
            {name: str(next(hosts)) for name in (*SERVERS, *JOBS)},
            {},
            in_podman(POSTGRES_AS_999),
        )
        try:
            cluster.images.update(images(podman))
            for name, data in given.items():
                podman("secret", "create", name, "-", given=json.dumps(data))
            for claim in volumes:
                podman("volume", "create", claim)
            cluster.as_root(volumes, "chown", "0:0")  # as new storage is
            yield cluster, beside
        finally:
            maps = [f"{network}-{one['metadata']['name']}" for one in named(documents, "ConfigMap").values()]
            podman.stop(cluster.pods, list(given), [*volumes, *maps, *cluster.volumes])


def claims(documents: list[Document]) -> list[str]:
    """Every claim there is, those of stateful sets included."""
    own = [claim_of(one.name, template) for one in workloads(documents) for template in one.claim_templates]
    return [*named(documents, "PersistentVolumeClaim"), *own]


def smoke(cluster: Played, beside: list[Document]) -> dict[str, Any]:
    """A pod for the smoke experiment, as Kubeflow would make one of a task: settings, claims, user."""
    mounts = {"data": "/data", "checkpoints": "/checkpoints", "scratch": "/tmp", "workspace": "/workspace"}
    (loading,) = [one for one in workloads(beside) if one.name == "load-data"]
    container = {
        "name": "smoke",
        "image": loading.main["image"],
        "command": ["prunegap", "run", "/experiments/smoke.yaml", "--workspace", "/workspace/smoke"],
        "envFrom": [{"configMapRef": {"name": "prunegap-tracking"}}],
        "env": [{"name": "PRUNEGAP_CHECKPOINT_DIR", "value": "/checkpoints"}],
        "securityContext": loading.main["securityContext"],
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()]
        + [{"name": "experiments", "mountPath": "/experiments", "readOnly": True}],
    }
    own = [one for one in loading.pod["volumes"] if one["name"] in mounts]
    volumes = [
        *own,
        {"name": "workspace", "emptyDir": {}},
        {"name": "experiments", "configMap": {"name": "experiments"}},
    ]
    text = (FOLDER.parent / "experiments/smoke.yaml").read_text()
    experiments = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "experiments"}}
    cluster.documents.append(experiments | {"data": {"smoke.yaml": text}})
    return loading.pod | {"containers": [container], "volumes": volumes, "initContainers": []}


def require(holds: object, what: str) -> None:
    """Go on only where it is so."""
    if not holds:
        raise NotAsTheManifestSaysError(what)


def main() -> int:
    """Play it all; 0 where everything was as the manifests say."""
    began = time.monotonic()
    with one_at_a_time(), played() as (cluster, beside):
        try:
            for name in SERVERS:
                cluster.server(name)
            claims_and_data(cluster, beside)
            runs(cluster, beside)
            dead_database(cluster)
            require(cluster.job("upgrade", cluster.documents)[0] == 0, "upgrade of a database that is up to date")
            require(cluster.job("backup", cluster.documents)[0] == 0, "backup")
        except NotAsTheManifestSaysError as trouble:
            cluster.say(f"error: {trouble}")
            return 1
        finally:
            sys.stdout.write("podman does not know, and what stood in:\n" + "".join(f"  {one}\n" for one in STAND_INS))
            for image, stand_in in cluster.images.items():
                sys.stdout.write(f"  image {image}: {stand_in}\n")
    sys.stdout.write(f"played in {time.monotonic() - began:.0f} s; everything is taken away\n")
    return 0


def claims_and_data(cluster: Played, beside: list[Document]) -> None:
    """The claims' owners are told and mended; data come from the bucket by the pipelines' own keys."""
    code, log = cluster.job("load-data", beside)
    require(code == 1 and "run the job own-claims" in log, f"load-data on claims of root's: {log}")
    require(cluster.job("own-claims", beside)[0] == 0, "own-claims")
    require(cluster.job("load-data", beside)[0] == 0, "load-data, the check alone")
    settings = settings_of(cluster.documents, "mlflow-server")
    keys = named(cluster.documents, "Secret")["prunegap-s3"]["data"]
    store = boto3.client(
        "s3",
        endpoint_url=f"http://{cluster.addresses['objectstore']}:8333",
        region_name=settings["AWS_DEFAULT_REGION"],
        aws_access_key_id=base64.b64decode(keys["AWS_ACCESS_KEY_ID"]).decode(),
        aws_secret_access_key=base64.b64decode(keys["AWS_SECRET_ACCESS_KEY"]).decode(),
        config=Config(retries={"max_attempts": 3}),
    )
    store.put_object(Bucket=settings["DATA_BUCKET"], Key="faces/a/1.txt", Body=b"one")
    store.put_object(Bucket=settings["DATA_BUCKET"], Key="faces/2.txt", Body=b"two")
    store.close()
    source = f"s3://{settings['DATA_BUCKET']}/faces"
    code, log = cluster.job("load-data", beside, SOURCE=source, TARGET="faces")
    require(code == 0 and "/data/faces: 2 files" in log, f"load-data from the bucket: {log}")


def runs(cluster: Played, beside: list[Document]) -> None:
    """The smoke experiment in a pod; MLflow holds its runs, and gives their artifacts."""
    require(cluster.run("smoke", smoke(cluster, beside))[0] == 0, "the smoke experiment")
    found = cluster.ask("experiments/search?max_results=100")["experiments"]
    ids = [one["experiment_id"] for one in found]
    recorded = cluster.ask("runs/search", {"experiment_ids": ids, "max_results": 1000})["runs"]
    states = {run["info"]["run_name"]: run["info"]["status"] for run in recorded}
    require(states and set(states.values()) == {"FINISHED"}, f"runs in MLflow: {states}")
    files = [
        file["path"]
        for run in recorded
        for file in cluster.ask(f"artifacts/list?run_id={run['info']['run_id']}").get("files", [])
    ]
    require(files, "no run has an artifact")
    cluster.say(f"MLflow: {len(states)} runs, all FINISHED, {len(files)} artifacts at their top")


def dead_database(cluster: Played) -> None:
    """With the database dead MLflow is not ready, though alive; with it back it is ready again."""
    pod = f"{cluster.podman.network}-postgres"
    cluster.podman("pod", "stop", pod)
    server = f"{cluster.podman.network}-mlflow-mlflow"
    cluster.podman.until(lambda: not cluster.answers("mlflow", "readinessProbe"), "MLflow is not ready", server)
    require(cluster.answers("mlflow", "livenessProbe"), "MLflow is alive without its database")
    cluster.podman("pod", "start", pod)
    cluster.podman.until(lambda: cluster.answers("mlflow", "readinessProbe"), "MLflow is ready again", server)
    cluster.say("database stopped: MLflow alive and not ready; started: ready again")


if __name__ == "__main__":
    sys.exit(main())
