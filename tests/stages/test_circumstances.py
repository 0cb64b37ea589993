"""Truth: torch, platform and the clock, asked here."""

import platform
import sys
from datetime import datetime
from types import SimpleNamespace

import torch

from prunegap import __version__
from prunegap.stages import circumstances
from prunegap.stages.circumstances import differences, installed_version, library_versions, made_on
from prunegap.stages.training_params import ComputeParams


def test_a_result_is_noted_with_what_it_was_made_on(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_000_012.84567)
    found = made_on(SimpleNamespace(device="cpu"), 1_000_000.5)
    assert datetime.fromisoformat(found["began"]).timestamp() == 1_000_000.5
    assert found["began"].endswith("+00:00")
    assert found["seconds"] == 12.346
    assert found["prunegap"] == __version__
    assert found["python"] == platform.python_version()
    assert found["cpu"] == circumstances.cpu_name() != ""
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == "cpu"
    assert found | library_versions() == found


def test_a_gpu_is_noted_by_its_name_only_where_it_was_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Card")
    assert [made_on(SimpleNamespace(device=one), 0.0)["device"] for one in ("auto", "cuda", "cpu")] == [
        "Card",
        "Card",
        "cpu",
    ]
    assert made_on(SimpleNamespace(), 0.0)["device"] == "cpu", "a stage without a device runs no network"


def test_without_torch_nothing_is_said_of_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert not {"threads", "device"} & made_on(SimpleNamespace(), 0.0).keys()


def test_the_processor_is_named_as_the_kernel_does(monkeypatch, tmp_path):
    circumstances.cpu_name.cache_clear()
    listing = "processor\t: 0\nvendor_id\t: X\nmodel name\t: First: of two\nprocessor\t: 1\nmodel name\t: Second\n"
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: listing)
    assert circumstances.cpu_name() == "First: of two"
    circumstances.cpu_name.cache_clear()

    def absent(*_, **__):
        raise OSError

    monkeypatch.setattr("pathlib.Path.read_text", absent)
    assert circumstances.cpu_name() == (platform.processor() or platform.machine())
    circumstances.cpu_name.cache_clear()


def test_versions_are_those_installed_and_empty_where_nothing_is():
    assert installed_version("torch") == library_versions()["torch"]
    assert installed_version("torch").startswith(torch.__version__.partition("+")[0])
    assert installed_version("no-such-distribution") == ""


def test_only_what_differs_is_named():
    records = {
        "one": {"threads": 1, "torch": "2.9", "seconds": 3.0},
        "two": {"threads": 2, "torch": "2.9", "seconds": 4.0},
        "three": {"threads": 1, "cpu": "A"},
    }
    assert differences(records) == {"threads": ["1", "2"]}
    assert differences({}) == {}


def test_gpus_that_a_stage_leaves_idle_are_told(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert ComputeParams().set_up() == torch.device("cuda")
    assert "one GPU is used of the 4 seen here" in caplog.text
    caplog.clear()
    assert ComputeParams(device="cpu").set_up() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert ComputeParams().set_up() == torch.device("cuda")
    assert not caplog.text
