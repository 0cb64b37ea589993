"""The job that loads data: its own command in a process of its own, against real servers of S3 and HTTP."""

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from k8s.manifests import FOLDER, Document, settings_of, workloads

Load = Callable[..., subprocess.CompletedProcess[str]]
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def claims(tmp_path: Path) -> tuple[Path, Path]:
    data, checkpoints = tmp_path / "data", tmp_path / "checkpoints"
    data.mkdir()
    checkpoints.mkdir()
    return data, checkpoints


@pytest.fixture
def load(claims: tuple[Path, Path]) -> Load:
    def call(source: str = "", target: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        given = {"SOURCE": source, "TARGET": target, "CLAIMS": " ".join(map(str, claims))}
        command = [sys.executable, str(FOLDER / "pipelines/load_data.py")]
        return subprocess.run(command, env=os.environ | given | more, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and its address."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_a_bucket_lies_below_data_as_it_lies_there(load: Load, claims: tuple[Path, Path], s3: str) -> None:
    bucket = "data-to-load"
    store = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **{k.lower(): "x" for k in S3_KEYS})
    store.create_bucket(Bucket=bucket)
    here = dict.fromkeys(map(str.upper, S3_KEYS), "x") | {"AWS_ENDPOINT_URL_S3": s3}
    for key, body in {"faces/a/1.png": b"1", "faces/2.png": b"2", "facesx/3.png": b"3"}.items():
        store.put_object(Bucket=bucket, Key=key, Body=body)
    done = load(f"s3://{bucket}/faces", "faces", **here)
    assert done.returncode == 0, done.stderr
    assert files(claims[0]) == {"faces/a/1.png": b"1", "faces/2.png": b"2"}
    again = load(f"s3://{bucket}/faces", "faces", **here)
    assert again.returncode == 1
    assert "faces is there already: choose another TARGET" in again.stderr
    single = load(f"s3://{bucket}/faces/2.png", "one", **here)
    assert single.returncode == 0, single.stderr
    assert (claims[0] / "one/2.png").read_bytes() == b"2"
    nothing = load(f"s3://{bucket}/none", "none", **here)
    assert nothing.returncode == 1
    assert nothing.stderr.count("\n") == 1
    assert not list(claims[0].glob("none*"))
    assert not list(claims[0].glob(".loading-*"))
    store.close()


def test_a_file_of_data_that_is_an_archive_inside_stays_as_it_is(
    load: Load, claims: tuple[Path, Path], web: tuple[Path, str]
) -> None:
    with zipfile.ZipFile(web[0] / "images.npz", "w") as archive:
        archive.writestr("images.npy", b"x")
    done = load(f"{web[1]}/images.npz", "arrays")
    assert done.returncode == 0, done.stderr
    assert files(claims[0]) == {"arrays/images.npz": (web[0] / "images.npz").read_bytes()}


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_an_archive_from_the_web_is_checked_and_unpacked(
    load: Load, claims: tuple[Path, Path], web: tuple[Path, str], ending: str
) -> None:
    folder, address = web
    path = folder / f"faces.{ending}"
    (folder / "1.txt").write_text("one")
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(folder / "1.txt", "a/1.txt")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder / "1.txt", "a/1.txt")
    wrong = load(f"{address}/{path.name}", "faces", SHA256="0" * 64)
    assert wrong.returncode == 1
    assert "sha256" in wrong.stderr
    assert files(claims[0]) == {}
    done = load(f"{address}/{path.name}", "faces", SHA256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert done.returncode == 0, done.stderr
    assert files(claims[0]) == {"faces/a/1.txt": b"one"}


def test_an_archive_that_leaves_its_folder_is_refused(
    load: Load, claims: tuple[Path, Path], web: tuple[Path, str]
) -> None:
    folder, address = web
    (folder / "1.txt").write_text("one")
    with tarfile.open(folder / "evil.tar", "w") as archive:
        archive.add(folder / "1.txt", "../../outside.txt")
    done = load(f"{address}/evil.tar", "faces")
    assert done.returncode == 1
    assert "'../../outside.txt' is no file or folder inside the archive" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(claims[0].parent / "data") == {}
    assert not (claims[0].parent / "outside.txt").exists()


def test_a_damaged_archive_is_refused_and_nothing_is_left(
    load: Load, claims: tuple[Path, Path], web: tuple[Path, str]
) -> None:
    folder, address = web
    (folder / "1.bin").write_bytes(os.urandom(100_000))
    with tarfile.open(folder / "whole.tgz", "w:gz") as archive:
        archive.add(folder / "1.bin", "1.bin")
    (folder / "half.tgz").write_bytes((folder / "whole.tgz").read_bytes()[:50_000])
    done = load(f"{address}/half.tgz", "faces")
    assert done.returncode == 1
    assert "cannot be unpacked" in done.stderr
    assert not list(claims[0].iterdir())


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("ftp://x/y", "faces", "SOURCE must be an s3:// or https:// address, got 'ftp://x/y'"),
        ("https://x/y", "", "TARGET must be the name of a new folder"),
        ("https://x/y", "../faces", "TARGET must be the name of a new folder"),
        ("https://x/y", "/faces", "TARGET must be the name of a new folder"),
        ("https://x/y", ".loading", "TARGET must be the name of a new folder"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(load: Load, source: str, target: str, expected: str) -> None:
    done = load(source, target)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr


def test_a_claim_that_cannot_be_written_is_told_with_what_to_do(load: Load, claims: tuple[Path, Path]) -> None:
    """Here one that is not there; k8s.play does it with one of root's, as user 10001."""
    claims[1].rmdir()
    done = load()
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {claims[1]}: user {os.getuid()} cannot write it")
    assert "run the job own-claims once" in done.stderr


def test_the_job_runs_the_tested_file_with_all_it_reads(pipelines: list[Document]) -> None:
    (job,) = [one for one in workloads(pipelines) if one.name == "load-data"]
    text = (FOLDER / "pipelines/load_data.py").read_text()
    assert settings_of(pipelines, "prunegap-load-data") == {"load_data.py": text}
    assert job.main["command"][-1] == "/scripts/load_data.py"
    given = {variable["name"] for variable in job.main["env"]}
    assert {"SOURCE", "TARGET", "SHA256", "AWS_ENDPOINT_URL_S3", *S3_KEYS} <= given
    assert {"/data", "/checkpoints"} <= {mount["mountPath"] for mount in job.main["volumeMounts"]}
