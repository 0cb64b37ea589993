"""podman as what carries out a pod here: settings of its own, no trace left, and the kubelet's part in probes."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from k8s.manifests import Document

# Far beyond what any of them needs: the machine may be slow.
PATIENCE = 1800.0
LIMIT = 20000


class NotAsTheManifestSaysError(Exception):
    """What went wrong, in a line."""


def available() -> bool:
    """Whether podman can be had: its pods, and root, whom it is for."""
    return shutil.which("podman") is not None and shutil.which("docker") is not None and os.geteuid() == 0


def in_podman(image: str) -> str:
    """How podman names an image of Docker's that is from no registry."""
    return image if image.startswith("localhost/") else f"localhost/{image}"


@dataclass(frozen=True)
class Podman:
    """One network and what was played on it."""

    network: str
    subnet: str
    settings: Path
    volumes_before: frozenset[str]

    @classmethod
    def start(cls, folder: Path, network: str, subnet: str) -> "Podman":
        """Write the settings and make the network."""
        limits = [
            f"{name}={min(hard, LIMIT) if hard != resource.RLIM_INFINITY else LIMIT}"
            for name, hard in [
                ("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
                ("nproc", resource.getrlimit(resource.RLIMIT_NPROC)[1]),
            ]
        ]
        ulimits = [f"{limit}:{limit.split('=')[1]}" for limit in limits]
        engine = 'cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        if shutil.which("runc"):  # crun refuses machines with both kinds of control groups
            engine += 'runtime = "runc"\n'
        settings = folder / "containers.conf"
        settings.write_text(f"[containers]\ndefault_ulimits = {json.dumps(ulimits)}\n[engine]\n{engine}")
        before = frozenset(cls(network, subnet, settings, frozenset()).volumes())
        podman = cls(network, subnet, settings, before)
        podman("network", "create", "--subnet", subnet, network)
        return podman

    def volumes(self) -> list[str]:
        """Every volume there is."""
        return self("volume", "ls", "--quiet").split()

    def __call__(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """Run a command of podman's and return what it wrote."""
        done = subprocess.run(
            ["podman", *arguments],
            input=given,
            env={**os.environ, "CONTAINERS_CONF": str(self.settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise NotAsTheManifestSaysError(f"podman {' '.join(arguments[:4])}: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def take_image(self, name: str) -> None:
        """Bring an image over from Docker, unless it is there."""
        wanted = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Id}}", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        if self("image", "inspect", "--format", "{{.Id}}", wanted, check=False).strip():
            self("tag", wanted, in_podman(name))
            return
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saving:
            environment = {**os.environ, "CONTAINERS_CONF": str(self.settings)}
            subprocess.run(
                ["podman", "load", "--quiet"],
                stdin=saving.stdout,
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )

    def play(self, documents: Sequence[Document], address: str) -> None:
        """Play one pod, with what it names, under an address."""
        text = yaml.safe_dump_all(documents)
        self("kube", "play", "--network", self.network, "--ip", address, "-", given=text)

    def log(self, container: str) -> str:
        """The last lines of a container, both streams."""
        done = subprocess.run(
            ["podman", "logs", "--tail", "40", container],
            env={**os.environ, "CONTAINERS_CONF": str(self.settings)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def ended(self, container: str) -> int:
        """Wait for a container's end; its exit code."""
        self.until(lambda: self.state(container) == "exited", f"{container} ends", container)
        return int(self("inspect", "--format", "{{.State.ExitCode}}", container))

    def state(self, container: str) -> str:
        """created, running, exited, or nothing where there is none."""
        return self("inspect", "--type", "container", "--format", "{{.State.Status}}", container, check=False).strip()

    def until(self, holds: Callable[[], bool], what: str, container: str) -> float:
        """Wait until something holds; the seconds it took.

        Raises:
            NotAsTheManifestSaysError: it does not, with the container's last lines.
        """
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > PATIENCE:
                raise NotAsTheManifestSaysError(f"not so after {PATIENCE} s: {what}\n{self.log(container)}")
            time.sleep(0.5)
        return time.monotonic() - began

    def probe(self, probe: Document, ports: dict[str, int], address: str, container: str) -> bool:
        """Do what the kubelet does for a probe: run it inside, or ask the pod's address."""
        if "exec" in probe:
            done = subprocess.run(
                ["podman", "exec", container, *probe["exec"]["command"]],
                env={**os.environ, "CONTAINERS_CONF": str(self.settings)},
                capture_output=True,
                check=False,
            )
            return done.returncode == 0
        asked = probe.get("httpGet") or probe["tcpSocket"]
        port, seconds = ports.get(asked["port"], asked["port"]), probe.get("timeoutSeconds", 1) + 5
        if "httpGet" not in probe:
            with socket.socket() as caller:
                caller.settimeout(seconds)
                return caller.connect_ex((address, port)) == 0
        headers = {header["name"]: header["value"] for header in asked.get("httpHeaders", [])}
        request = urllib.request.Request(f"http://{address}:{port}{asked['path']}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, pods: Sequence[str], secrets: Sequence[str], volumes: Sequence[str]) -> None:
        """Take away everything that was played."""
        for pod in pods:
            self("pod", "rm", "--force", "--time", "5", pod, check=False)
        for secret in secrets:
            self("secret", "rm", secret, check=False)
        # Without names those that the images declare: removed where nobody uses them.
        nameless = [one for one in self.volumes() if re.fullmatch("[0-9a-f]{64}", one)]
        for volume in (*volumes, *(one for one in nameless if one not in self.volumes_before)):
            self("volume", "rm", volume, check=False)
        self("network", "rm", "--force", self.network, check=False)
