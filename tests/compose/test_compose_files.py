"""The compose files as compose itself resolves them; no engine is asked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from compose.project import DOCKER, Project

IMAGES = {"stage": "a/stage:1", "mlflow": "a/mlflow:1", "objectstore": "a/objectstore:1"}
DIGITS = (DOCKER / "compose.digits.yaml",)
ASKED = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(:[-?])?")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(IMAGES, tmp_path)


def test_every_container_is_hardened_and_no_port_leaves_the_machine(project: Project):
    resolved = project.compose("--profile", "experiment", "--profile", "gpu", "config", files=DIGITS)
    assert resolved.returncode == 0, resolved.stderr
    services = yaml.safe_load(resolved.stdout)["services"]
    assert len(services) > 31
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        for port in service.get("ports", []):
            address = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
            assert address == "127.0.0.1", name
    steps = [service for service in services.values() if service["image"] == "a/stage:1"]
    assert len(steps) == 48 + 2 + 2  # the steps, open-run and close-run, the whole experiment on a CPU and on a GPU
    (gpu,) = services["experiment-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (gpu["capabilities"], gpu["count"]) == (["gpu"], 1), "a stage uses one"


@pytest.mark.parametrize("variable", ["POSTGRES_PASSWORD", "OBJECTSTORE_SECRET_KEY", "STAGE_IMAGE"])
def test_a_missing_password_or_image_is_refused_in_one_line(project: Project, variable: str):
    for arguments in (("config", "--quiet"), ("up", "--detach")):
        refused = project.compose(*arguments, files=DIGITS, **{variable: ""})
        assert refused.returncode != 0
        (line,) = refused.stderr.splitlines()
        assert line.endswith(
            f"set {variable} in .env beside compose.yaml"
            + (" (.env.example says to what)" * (variable == "STAGE_IMAGE"))
        )


def test_the_example_names_every_setting_and_no_password():
    asked = {match[1] for path in DOCKER.glob("*.yaml") for match in ASKED.finditer(path.read_text())}
    settings = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert asked <= set(settings)
    assert {name for name in settings if name.endswith(("PASSWORD", "SECRET_KEY")) and settings[name]} == set()


def test_the_first_run_makes_settings_with_passwords_of_its_own_and_no_other_does(tmp_path: Path):
    """The copy has no compose file that could be carried out, so that nothing is started."""
    docker = tmp_path / "docker"
    shutil.copytree(DOCKER, docker, ignore=shutil.ignore_patterns(".env", "*.lock.json"))
    (docker / "compose.broken.yaml").write_text("services: none\n")
    taken = {"POSTGRES_PASSWORD", "OBJECTSTORE_SECRET_KEY"}
    environment = {key: value for key, value in os.environ.items() if key not in taken}
    begin = [docker / "run.sh", docker / "compose.broken.yaml"]
    first = subprocess.run(begin, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 1
    assert first.stderr.splitlines()[0] == f"{docker}/.env: made from .env.example, with new passwords"
    made = docker / ".env"
    assert made.stat().st_mode & 0o777 == 0o600
    asked, given = (dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", path.read_text(), re.MULTILINE))
                    for path in (docker / ".env.example", made))  # fmt: skip
    assert {key for key in asked if asked[key] != given[key]} == taken
    assert len({given[key] for key in taken if re.fullmatch(r"[0-9a-f]{32}", given[key])}) == 2
    before = made.read_bytes()
    again = subprocess.run(begin, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "made from" not in again.stderr
    assert made.read_bytes() == before


def test_another_run_has_another_folder_and_the_same_name_in_mlflow(project: Project):
    resolved = project.compose("config", files=DIGITS, PRUNEGAP_PIPELINE_RUN="digits-2")
    service = yaml.safe_load(resolved.stdout)["services"]["prepare_data"]
    assert "--dataset=runs/digits-2/steps/prepare_data/dataset" in service["command"]
    assert service["environment"]["PRUNEGAP_PIPELINE_RUN"] == "digits-2"
