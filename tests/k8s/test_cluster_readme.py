"""The commands of the pages in k8s that need no cluster, run as written up to what they hand to `kubectl apply`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from k8s.manifests import FOLDER, KUBECTL, build, copy_with_secrets, workloads

README = "\n".join(path.read_text() for path in sorted(FOLDER.rglob("README.md")))
DIGEST = "registry.example:5000/prunegap/{}@sha256:" + "ab" * 32
TAG = "localhost/prunegap/{}:0123456789ab"


def blocks() -> list[str]:
    """Every block of shell commands, unindented."""
    found = re.findall(r"^( *)```bash\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def line_with(words: str) -> str:
    (line,) = [line for block in blocks() for line in block.splitlines() if words in line]
    return line


def run(command: str, folder: Path) -> str:
    here = {**os.environ, "PATH": f"{KUBECTL.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=here, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def checkout(folder: Path, *, pushed: bool) -> Path:
    """A working tree with the manifests and the lock of a build."""
    copy_with_secrets(folder)
    (folder / "docker").mkdir()
    images = {
        name: {
            "reference": DIGEST.format(name) if pushed else "sha256:" + "cd" * 32,
            "tag": TAG.format(name),
            "digest": "sha256:" + "ab" * 32 if pushed else None,
        }
        for name in ("stage", "mlflow", "objectstore")
    }
    (folder / "docker/images.lock.json").write_text(json.dumps({"revision": "0123456789ab", "images": images}))
    return folder


@pytest.mark.parametrize(("pushed", "expected"), [(True, DIGEST), (False, TAG)])
@pytest.mark.parametrize(("command", "image"), [("k8s/overlays/local |", "mlflow"), ("k8s/pipelines |", "stage")])
def test_the_locks_image_gets_in(tmp_path: Path, command: str, image: str, pushed: bool, expected: str) -> None:
    line, applied = line_with(command).split(" | kubectl apply")
    assert applied.endswith("-f -")
    assert line.startswith("python3 k8s/render.py")
    documents = list(yaml.safe_load_all(run(line, checkout(tmp_path, pushed=pushed))))
    used = {container["image"] for workload in workloads(documents) for container in workload.containers}
    assert expected.format(image) in used
    assert not [name for name in used if name.endswith(":dev")]


def test_the_secrets_of_the_readme_are_those_the_overlay_wants(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "k8s", ignore=shutil.ignore_patterns("*.env"))
    (making,) = [block for block in blocks() if "openssl rand" in block]
    assert "data-s3" in making
    run(making, tmp_path)
    secret_documents = [d for d in build(tmp_path / "k8s/overlays/local") if d["kind"] == "Secret"]
    assert all(value for document in secret_documents for value in document["data"].values())


def test_the_plugin_is_added_to_the_servers_settings_and_takes_nothing_away(tmp_path: Path) -> None:
    given = {"DBDriverName": "mysql", "plugins": {"other": {"endpoint": "x"}}, "ObjectStoreConfig": {"BucketName": "b"}}
    (tmp_path / "config.json").write_text(json.dumps(given))
    line = line_with("--merge").replace("/tmp", str(tmp_path)).replace("k8s/", f"{FOLDER}/")
    run(line, tmp_path)
    merged = json.loads((tmp_path / "merged.json").read_text())
    assert merged.pop("plugins").keys() == {"other", "mlflow"}
    assert merged.items() <= given.items()


def test_every_path_the_readme_names_is_there() -> None:
    root = FOLDER.parent
    named_in_commands = set(re.findall(r"(?<![\w./:])(?:k8s|experiments)/[\w./-]+", "\n".join(blocks())))
    made = {"k8s/overlays/local/data-s3.env"}
    assert named_in_commands > made
    assert all((root / path).exists() for path in named_in_commands - made), named_in_commands


def test_every_folder_is_in_the_readmes_table() -> None:
    folders = {str(path.parent.relative_to(FOLDER)) for path in FOLDER.rglob("kustomization.yaml")} - {"images"}
    assert folders <= set(re.findall(r"^\| `([\w/-]+)` \|", README, re.MULTILINE))


SETTING = [line for block in blocks() for line in block.splitlines() if "kubectl set env --local" in line]


@pytest.mark.parametrize("line", SETTING, ids=lambda line: re.findall(r"cronjob/(\S+)", line)[0])
def test_a_job_is_made_from_its_template_with_what_the_pages_set(tmp_path: Path, line: str) -> None:
    (name,) = re.findall(r"--from=cronjob/(\S+)", line)
    setting = line.split(" | ")[1].removeprefix("kubectl ")
    documents = [*build(FOLDER / "pipelines"), *build(FOLDER / "base")]
    (template,) = [one for one in documents if (one["kind"], one["metadata"]["name"]) == ("CronJob", name)]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, **template["spec"]["jobTemplate"]}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    changed = re.sub(r"=(latest|faces)\b", "=another", setting)
    pod = yaml.safe_load(run(f"kubectl {changed} < job.yaml", tmp_path))["spec"]["template"]["spec"]
    wanted = dict(re.findall(r"([A-Z]+)=(\S+)", changed))
    assert wanted
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        given = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert wanted.items() <= given.items(), container["name"]


def test_data_are_loaded_where_the_page_says() -> None:
    assert "TARGET=faces" in README
    assert "`/data/faces`" in README


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["k8s/overlays/local"], "images.lock.json: is not there; prunegap-pipelines build-images writes it"),
        (["k8s/nowhere"], "k8s/nowhere: error: "),
        (["--merge", "x.json", "y.json"], "x.json: is not there"),
    ],
)
def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path, arguments: list[str], expected: str) -> None:
    copy_with_secrets(tmp_path)
    here = {**os.environ, "PATH": f"{KUBECTL.parent}:{os.environ['PATH']}"}
    command = [sys.executable, "k8s/render.py", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=here, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
