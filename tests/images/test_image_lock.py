"""The image lock comes back as it was written, and a file that is none is refused; no engine is needed."""

import json

import pytest
from prunegap_pipelines.images import ImageLock, LockedImage

ID, DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
PUSHED = LockedImage(reference=f"host/x/stage@{DIGEST}", tag="host/x/stage:abc", id=ID, digest=DIGEST, size_bytes=7)
LOCK = ImageLock(revision="abc-dirty", images={"stage": PUSHED})


def test_a_lock_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "images.lock.json"
    LOCK.write(path)
    assert ImageLock.read(path) == LOCK
    assert json.loads(path.read_text()) == {
        "revision": "abc-dirty",
        "images": {
            "stage": {
                "reference": f"host/x/stage@{DIGEST}",
                "tag": "host/x/stage:abc",
                "id": ID,
                "digest": DIGEST,
                "size_bytes": 7,
            }
        },
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["images.lock.json"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file: Invalid JSON"),
        ('{"revision": "a"}', "images: Field required"),
        ('{"revision": "a", "images": {"stage": {"id": "latest"}}}', "images.stage.reference: Field required"),
        ("\udcff", "the file: Invalid JSON"),
    ],
)
def test_what_is_no_lock_is_refused_with_the_place(tmp_path, message, text, expected):
    path = tmp_path / "images.lock.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    said = message(lambda: ImageLock.read(path))
    assert said.startswith(f"{path}: not an image lock: {expected}")
    assert said.endswith("prunegap-pipelines build-images writes it anew")


def test_a_lock_that_is_not_there_or_lacks_an_image_is_said(tmp_path, message):
    assert "no image lock can be read there (No such file" in message(lambda: ImageLock.read(tmp_path / "none.json"))
    assert message(lambda: LOCK.reference("mlflow")) == (
        "the image lock has no image 'mlflow', only stage; build it with --target mlflow"
    )


def test_a_lock_that_cannot_be_written_is_said(tmp_path, message):
    (tmp_path / "file").touch()
    assert "the image lock cannot be written (Not a directory" in message(lambda: LOCK.write(tmp_path / "file/a/lock"))
