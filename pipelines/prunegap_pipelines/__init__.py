"""The Kubeflow side: pipelines compiled from one wiring, images built, runs submitted or carried out on one machine."""

from pathlib import Path

LOCK = Path("docker/images.lock.json")
