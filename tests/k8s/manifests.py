"""The manifests as `kubectl kustomize` writes them, and ways through them: pods, what they name, what names them."""

import re
import secrets
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "k8s"
# Of the development tools (requirements/dev.lock), so that no test of manifests depends on the machine.
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
# Those that fill the platform's own namespace, and those for a namespace that runs pipelines.
PLATFORM = ("base", "overlays/local", "overlays/production")
PIPELINES = ("pipelines", "overlays/gpu")
# The local overlay with one component more; production holds the login itself.
COMPONENTS = ("components/volume-owner", "components/profiles", "components/login")
PLATFORM_NAMESPACE = "prunegap"


def build(kustomization: Path) -> list[Document]:
    """Everything a kustomization makes, in its order."""
    done = subprocess.run([KUBECTL, "kustomize", str(kustomization)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"{kustomization}: kustomize warns: {done.stderr}"
    return list(yaml.safe_load_all(done.stdout))


def filled_in(example: str) -> str:
    """An example of an env file with a random value behind every name left empty."""
    lines = (line + secrets.token_hex(16) if line.endswith("=") else line for line in example.splitlines())
    return "\n".join(lines) + "\n"


def copy_with_secrets(folder: Path) -> Path:
    """A copy of k8s/ as a user has it who copied the examples and filled them in."""
    copy = folder / "k8s"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*.env"))
    for example in (copy / "overlays/local").glob("*.env.example"):
        example.with_suffix("").write_text(filled_in(example.read_text()))
    return copy


def with_component(copy: Path, component: str) -> list[Document]:
    """The local overlay with a component, as a user adds it."""
    folder = copy / f"overlays/with-{Path(component).name}"
    folder.mkdir()
    lines = {"resources": ["../local"], "components": [f"../../{component}", "../../images"]}
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": PLATFORM_NAMESPACE}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(head | lines))
    return build(folder)


def loose(name: str) -> list[Document]:
    """The documents of a file that no kustomization holds."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@dataclass(frozen=True)
class Workload:
    """A pod, or what makes pods; ``resident`` where it stays and answers others."""

    name: str
    resident: bool
    replicas: int
    labels: dict[str, str]
    pod: Document
    claim_templates: tuple[str, ...]

    @property
    def containers(self) -> list[Document]:
        """All of the pod, those that run first included."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def main(self) -> Document:
        """The container that stays."""
        return self.pod["containers"][0]

    @property
    def ports(self) -> dict[str, int]:
        """Number of every named port."""
        return {port["name"]: port["containerPort"] for c in self.containers for port in c.get("ports", [])}


def workloads(documents: list[Document]) -> Iterator[Workload]:
    """Every document that is a pod or holds a pod's template, whatever its kind."""
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if document["kind"] == "Pod":
            yield Workload(document["metadata"]["name"], True, 1, document["metadata"].get("labels", {}), spec, ())
        elif "template" in spec and "containers" in spec["template"].get("spec", {}):
            template = spec["template"]
            claims = tuple(claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", []))
            labels = template.get("metadata", {}).get("labels", {})
            resident = document["kind"] not in {"Job", "CronJob"}
            name, replicas = document["metadata"]["name"], spec.get("replicas", 1)
            yield Workload(name, resident, replicas, labels, template["spec"], claims)


HASH = re.compile(r"-[2456789bcdfghkmt]{10}$")  # the letters that kustomize writes them with


def plain_name(name: str) -> str:
    """A name without the hash that a generator put behind it."""
    return HASH.sub("", name)


def named(documents: list[Document], kind: str) -> dict[str, Document]:
    """All of one kind by name, as it is written in k8s/."""
    return {plain_name(document["metadata"]["name"]): document for document in documents if document["kind"] == kind}


def settings_of(documents: list[Document], name: str) -> dict[str, str]:
    """The data of a config map."""
    return named(documents, "ConfigMap")[plain_name(name)]["data"]
