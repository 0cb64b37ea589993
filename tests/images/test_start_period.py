"""How long a server may take to start on a slow machine is one number, wherever a platform has to be told."""

import re

import pytest
import yaml
from engine import ROOT

DURATION = r"(\d+)s"


@pytest.fixture(scope="module")
def seconds():
    """Return the number, from where it is defined."""
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    (period,) = {compose["x-start-period"], compose["services"]["postgres"]["healthcheck"]["start_period"]}
    return int(re.findall(f"^{DURATION}$", period)[0])


def test_the_images_say_the_same(seconds):
    checks = re.findall(r"^HEALTHCHECK (.*?)\\$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert len(checks) == 2
    for check in checks:
        assert re.findall(rf"--start-period={DURATION}", check) == [str(seconds)]


def test_the_manifests_say_the_same(seconds):
    probes = []
    for path in (ROOT / "k8s").rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            probes += startup_probes(document)
    assert len(probes) >= 3
    assert {probe["periodSeconds"] * probe["failureThreshold"] for probe in probes} == {seconds}


def test_the_job_for_the_bucket_waits_as_long(seconds):
    job = (ROOT / "k8s/base/bucket.py").read_text()
    assert re.findall(r'"BUCKET_WAIT_SECONDS", "(\d+)"', job) == [str(seconds)]
    assert "BUCKET_WAIT_SECONDS" not in (ROOT / "docker/compose.yaml").read_text()


def startup_probes(node):
    """Yield every startup probe below a node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "startupProbe":
                yield value
            yield from startup_probes(value)
    elif isinstance(node, list):
        for value in node:
            yield from startup_probes(value)
