"""Truth: the README's recipes of the platform side, each of whose commands some test carries out."""

import re
import shlex
import subprocess

from prunegap_pipelines.images_command import build_images_command
from recipes import README, recipe
from walk import ROOT

# What carries it out: the images' tests, those of compose, of the submission, of the containers.
BEGINNINGS = (
    "make images",
    "docker/run.sh docker/compose.digits.yaml",
    "prunegap-pipelines build-images",
    "prunegap-pipelines submit",
    "prunegap-pipelines run-local",
)


def test_every_command_of_the_recipes_is_known_to_a_test():
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    assert len(lines) == len(BEGINNINGS)
    for beginning in BEGINNINGS:
        assert recipe(beginning), beginning


def test_make_builds_the_images_and_the_files_of_compose_are_there():
    told = subprocess.run(
        ["make", "--dry-run", "images", "smoke"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "prunegap-pipelines build-images" in told.stdout
    assert "prunegap-pipelines run-local experiments/smoke.yaml" in told.stdout
    for word in recipe("docker/run.sh"):
        assert (ROOT / word).is_file(), word
    assert (ROOT / "docker/.env.example").read_text().count("PASSWORD=\n") == 1


def test_the_build_is_asked_for_as_its_command_understands_it():
    words = recipe("prunegap-pipelines build-images")
    with build_images_command.make_context("build-images", words[2:]) as context:
        assert context.params["registry"] == "registry.example/team"
    assert shlex.join(words).startswith("prunegap-pipelines build-images --registry")
