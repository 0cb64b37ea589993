"""Downloading from a real HTTP server. Truth: the bytes it serves and their MD5."""

import gzip
import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from prunegap.errors import UserError
from prunegap.sources.downloads import Download, folder_with
from prunegap.sources.registry import SourceOptions


@pytest.fixture
def site(tmp_path):
    """A folder and the address under which it is served."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def offer(site, name, data, *, mirrors=("",)):
    folder, address = site
    (folder / name).write_bytes(data)
    return Download([f"{address}{mirror}/{name}" for mirror in mirrors], name, hashlib.md5(data).hexdigest())


def archive(**files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path.replace("__", "/"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def get(location, downloads, files, *, download=True):
    options = SourceOptions(download=download)
    return folder_with(str(location), options, inside="inside", files=files, downloads=downloads, name="set")


def test_an_archive_is_unpacked_into_a_location_that_need_not_exist(site, tmp_path):
    wanted = offer(site, "set.tar.gz", archive(inside__train=b"one", inside__test=b"two"))
    folder = get(tmp_path / "new", [wanted], ["train", "test"])
    assert folder == tmp_path / "new" / "inside"
    assert (folder / "train").read_bytes() == b"one"


def test_single_files_are_put_inside_unpacked_where_they_are_packed(site, tmp_path):
    downloads = [offer(site, "plain.mat", b"plain"), offer(site, "idx.gz", gzip.compress(b"packed"))]
    folder = get(tmp_path, downloads, ["plain.mat", "idx"])
    assert [(folder / name).read_bytes() for name in ("plain.mat", "idx")] == [b"plain", b"packed"]


def test_the_next_mirror_is_asked_where_one_has_nothing(site, tmp_path):
    wanted = offer(site, "plain.mat", b"plain", mirrors=["/none", ""])
    assert (get(tmp_path, [wanted], ["plain.mat"]) / "plain.mat").read_bytes() == b"plain"


def test_nothing_is_fetched_where_the_files_are_or_where_it_is_not_allowed(site, tmp_path):
    wanted = offer(site, "plain.mat", b"plain")
    with pytest.raises(UserError, match=r"inside/plain\.mat' is missing; set download: true"):
        get(tmp_path, [wanted], ["plain.mat"], download=False)
    (tmp_path / "plain.mat").write_bytes(b"mine")
    assert get(tmp_path, [wanted], ["plain.mat"]) == tmp_path
    assert not (tmp_path / "inside").exists()


def test_a_file_of_another_checksum_or_no_file_at_all_is_refused_in_one_line(site, tmp_path):
    wrong = offer(site, "plain.mat", b"plain")
    (site[0] / "plain.mat").write_bytes(b"changed")
    gone = Download([f"{site[1]}/gone.mat"], "gone.mat", "0" * 32)
    for wanted in (wrong, gone):
        with pytest.raises(UserError, match=f"cannot download http.*{wanted.name} into .*; fetch it by hand") as caught:
            get(tmp_path, [wanted], [wanted.name])
        assert "\n" not in str(caught.value)
