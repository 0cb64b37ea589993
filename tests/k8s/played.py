"""A cluster that is none: workloads of the rendered manifests as pods of podman's, each under an address of its own."""

import copy
import json
import os
import re
import sys
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from k8s.manifests import PLATFORM_NAMESPACE, Document, settings_of, workloads
from k8s.podman import NotAsTheManifestSaysError, Podman

OBJECTSTORE = os.environ.get("OBJECTSTORE_IMAGE", "localhost/prunegap/objectstore:dev")
VARIABLE = re.compile(r"\$\((\w+)\)")
REFERENCES = ("configMapRef", "configMapKeyRef", "secretKeyRef", "configMap")
NAMES = dict.fromkeys(REFERENCES, "name") | {"persistentVolumeClaim": "claimName"}
SERVERS = ("postgres", "objectstore", "mlflow")


@dataclass
class Played:
    """The cluster that is none: what it consists of and where its pods are."""

    podman: Podman
    documents: list[Document]
    addresses: dict[str, str]
    images: dict[str, str]
    tool: str
    volumes: list[str] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tell what was found, at once."""
        self.told.append(text)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def play(self, name: str, spec: Document, *, restart: str) -> str:
        """Play a pod of a template, and return its name."""
        pod = f"{self.podman.network}-{name}"
        spec = copy.deepcopy(spec) | {"restartPolicy": restart, "hostAliases": self.hosts()}
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            container["image"] = self.images[container["image"]]
            container["imagePullPolicy"] = "Never"
            self.put_in_settings(container)
            if name == "objectstore" and container["image"].endswith(OBJECTSTORE):
                replace_store(container)
        spec = under_own_names(self.podman.network, spec)
        self.make_empty_folders(pod, spec)
        beside = [
            one | {"metadata": {"name": f"{self.podman.network}-{one['metadata']['name']}"}}
            for one in self.documents
            if one["kind"] == "ConfigMap"
        ]
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}
        self.pods.append(pod)
        self.podman.play([*beside, whole], self.addresses[name])
        return pod

    def put_in_settings(self, container: Document) -> None:
        """Put the settings into a container's arguments, as the kubelet does."""
        known: dict[str, str] = {}
        for source in container.get("envFrom", []):
            known |= settings_of(self.documents, source["configMapRef"]["name"])
        known |= {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
        for key in {"command", "args"} & container.keys():
            container[key] = [VARIABLE.sub(lambda match: known[match[1]], word) for word in container[key]]

    def make_empty_folders(self, pod: str, spec: Document) -> None:
        """Put a volume of the pod's own in place of each emptyDir, which podman shares between pods by its name.

        As a kubelet makes it: anybody's, and in memory where it says so.
        """
        made: list[str] = []
        for volume in spec.get("volumes", []):
            if "emptyDir" in volume:
                name, asked = f"{pod}-{volume['name']}", volume.pop("emptyDir")
                volume["persistentVolumeClaim"] = {"claimName": name}
                if asked.get("medium") == "Memory":
                    options = ("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=mode=1777")
                    self.podman("volume", "create", *options, name)
                else:
                    self.podman("volume", "create", name)
                    made.append(name)
                self.volumes.append(name)
        self.as_root(made, "chmod", "0777")

    def as_root(self, volumes: list[str], *command: str) -> None:
        """Run a command on volumes that are new: podman would give each to whoever mounts it first."""
        mounts = [word for name in volumes for word in ("--volume", f"{name}:/volumes/{name}")]
        folders = [f"/volumes/{name}" for name in volumes]
        if volumes:
            self.podman(
                "run",
                "--rm",
                "--no-healthcheck",
                "--user=0",
                f"--entrypoint={command[0]}",
                *mounts,
                self.tool,
                *command[1:],
                *folders,
            )

    def hosts(self) -> list[Document]:
        """What DNS would say of the services."""
        suffixes = ("", *(f".{PLATFORM_NAMESPACE}{rest}" for rest in ("", ".svc", ".svc.cluster.local")))
        names = {one: [f"{one}{suffix}" for suffix in suffixes] for one in SERVERS}
        return [{"ip": self.addresses[one], "hostnames": names[one]} for one in SERVERS]

    def server(self, name: str) -> None:
        """Play a server and wait until its startup and readiness probes are answered."""
        (workload,) = [one for one in workloads(self.documents) if one.name == name]
        pod = self.play(name, with_claims(workload.name, workload.pod, workload.claim_templates), restart="OnFailure")
        container = f"{pod}-{workload.main['name']}"
        for key in ("startupProbe", "readinessProbe", "livenessProbe"):
            took = self.podman.until(lambda key=key: self.answers(name, key), f"{name}: {key}", container)
            self.say(f"{name}: {key} answered after {took:.0f} s")
        self.as_the_manifest_says(container, workload.pod, workload.main)

    def answers(self, name: str, key: str) -> bool:
        """Whether a server's probe is answered now."""
        (workload,) = [one for one in workloads(self.documents) if one.name == name]
        container = f"{self.podman.network}-{name}-{workload.main['name']}"
        probe = workload.main[key]
        if name == "objectstore" and self.images[workload.main["image"]].endswith(OBJECTSTORE):
            probe = {"tcpSocket": {"port": "s3"}}
        return self.podman.probe(probe, workload.ports, self.addresses[name], container)

    def as_the_manifest_says(self, container: str, pod: Document, spec: Document) -> None:
        """Look from inside at what the security context promises.

        Raises:
            NotAsTheManifestSaysError: it is not so.
        """
        status = self.podman("exec", container, "cat", "/proc/1/status")
        seen = {key: value.split() for key, _, value in (line.partition(":") for line in status.splitlines())}
        user = spec["securityContext"].get("runAsUser", pod["securityContext"].get("runAsUser"))
        wanted = {"Uid": str(user), "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
        wrong = {key: seen[key] for key, value in wanted.items() if seen[key][0] != value}
        mounts = self.podman("exec", container, "cat", "/proc/1/mounts").splitlines()
        (root,) = [line.split()[3].split(",") for line in mounts if line.split()[1] == "/"][:1]
        if wrong or "ro" not in root:
            raise NotAsTheManifestSaysError(f"{container}: {wrong or root}, expected {wanted} and a read-only root")
        self.say(f"{container}: user {user}, no capability, no new privileges, read-only root")

    def job(self, name: str, documents: list[Document], **environment: str) -> tuple[int, str]:
        """Play the pod of a cron job to its end; its exit code and the last lines of its log."""
        (workload,) = [one for one in workloads(documents) if one.name == name]
        spec = copy.deepcopy(workload.pod)
        for variable in spec["containers"][0].get("env", []):
            if variable["name"] in environment:
                variable["value"] = environment[variable["name"]]
        return self.run(name, spec)

    def run(self, name: str, spec: Document) -> tuple[int, str]:
        """Play a pod to its end; its exit code and the last lines of its log."""
        pod = self.play(name, spec, restart="Never")
        container = f"{pod}-{spec['containers'][0]['name']}"
        code, log = self.podman.ended(container), self.podman.log(container).strip()
        self.podman("pod", "rm", "--force", pod)
        for volume in [one for one in self.volumes if one.startswith(f"{pod}-")]:
            self.podman("volume", "rm", "--force", volume)
        self.say(f"{name}: exit code {code}: {log.splitlines()[-1] if log else ''}")
        return code, log

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask MLflow's API, by the name that its manifest allows."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Host": "mlflow:5000", "Content-Type": "application/json"}
        address = f"http://{self.addresses['mlflow']}:5000/api/2.0/mlflow/{path}"
        with urllib.request.urlopen(urllib.request.Request(address, data=data, headers=headers)) as answer:
            return json.load(answer)


def under_own_names(prefix: str, value: Any) -> Any:
    """What manifests name and podman keeps for the whole machine, under names that are this play's."""
    if isinstance(value, list):
        return [under_own_names(prefix, one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: one | {NAMES[key]: f"{prefix}-{one[NAMES[key]]}"} if key in NAMES else under_own_names(prefix, one)
        for key, one in value.items()
    }


def replace_store(container: Document) -> None:
    """rclone in SeaweedFS' place: it knows both pairs of keys, but lets both do everything."""
    pairs = " ".join(f'--auth-key "${name}_ACCESS_KEY_ID,${name}_SECRET_ACCESS_KEY"' for name in ("AWS", "DATA"))
    container["command"] = ["sh", "-c", f"exec rclone serve s3 /data --addr :8333 {pairs}"]
    container.pop("args", None)


def with_claims(name: str, pod: Document, templates: tuple[str, ...]) -> Document:
    """A stateful set's pod with the claims that its templates would make."""
    claims = [{"name": one, "persistentVolumeClaim": {"claimName": claim_of(name, one)}} for one in templates]
    return pod | {"volumes": [*pod.get("volumes", []), *claims]}


def claim_of(name: str, template: str) -> str:
    """How Kubernetes names the claim of a stateful set's first pod."""
    return f"{template}-{name}-0"
