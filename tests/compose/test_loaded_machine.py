"""The documented first run on a machine that has fifteen other things to do at every moment."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from compose.project import generated, running
from prunegap_pipelines.images import ImageLock

pytestmark = [pytest.mark.docker, pytest.mark.campaign, pytest.mark.timeout(7200)]
LOAD = 15


@contextmanager
def load(wanted: int) -> Generator[None]:
    """Keep so many processes busy that ``wanted`` are, together with those that are busy already."""
    count = max(0, wanted - round(os.getloadavg()[0]))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
        assert all(one.poll() is None for one in busy)
    finally:
        for one in busy:
            one.kill()
            one.wait()


def test_the_first_run_on_a_loaded_machine_ends_with_0(images: ImageLock, tmp_path_factory: pytest.TempPathFactory):
    with running(images, tmp_path_factory.mktemp("loaded")) as project:
        file = generated(project.experiments / "loaded", name="loaded", methods=["nft"])
        with load(LOAD):
            ended = project.run(file)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stderr.splitlines()[-1].startswith("MLflow's run of 'loaded' is FINISHED (")
