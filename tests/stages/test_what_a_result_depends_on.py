"""Truth: files edited by hand between two looks at what a stage's result would be made from."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from stages import tiny_values as given
from stages.effects import EFFECTS
from stages.results import STAGES
from stages.tiny_values import write_files

from prunegap import source_code
from prunegap.errors import UserError
from prunegap.remote.location import default_cache_dir
from prunegap.source_code import code_digest
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.stages.checks import seen_by
from prunegap.stages.compare import CompareParams, _provenance
from prunegap.stages.contract import OUR_CODE
from prunegap.stages.finetune import FinetuneParams
from prunegap.stages.params import NO_EFFECT, StageParams
from prunegap.stages.prepare_data import PrepareDataParams
from prunegap.stages.prune import PruneParams
from prunegap.tracking.protocol import NullTracker

NETWORK = "from torch import nn\ndef build(num_classes, in_channels, image_size):\n    return nn.Linear({}, 3)\n"


def forget_code() -> None:
    """As a new process would."""
    code_digest.cache_clear()
    source_code._read.cache_clear()


@pytest.mark.parametrize("one", STAGES, ids=lambda one: one.name)
def test_what_is_marked_as_without_effect_alone_is_no_part_of_the_identity(one: Any):
    params = one.params_type()
    marked = {name for name, info in one.params_type.model_fields.items() if info.json_schema_extra == NO_EFFECT}
    assert params.effective().keys() == params.model_dump().keys() - marked
    assert marked <= {name for name, pairs in EFFECTS[one.name].items() if all(pair.reason for pair in pairs)}


@pytest.mark.parametrize("one", STAGES, ids=lambda one: one.name)
def test_our_code_and_the_libraries_that_decide_bits_are_part_of_every_identity(one: Any):
    found = one.surroundings(one.params_type()).code
    assert found[OUR_CODE] == code_digest(f"prunegap.stages.{one.name}")
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert {"torchvision", "numpy"} <= found.keys()


def test_the_code_of_a_method_a_controller_and_a_rule_is_named():
    assert FinetuneParams(method="nft").code() == {}
    methods = [FinetuneParams(method=name).code() for name in ("ceag", "el")]
    assert [list(one) for one in methods] == [
        ["the code of method ceag", "the code of controller gradient_ascent"],
        ["the code of method el", "the code of controller gradient_ascent"],
    ]
    assert methods[0]["the code of method ceag"] != methods[1]["the code of method el"]
    assert list(PruneParams(rule="global").code()) == ["the code of pruning rule global"]
    assert set(AcquireDenseParams(method="el").code()) == {"the code of model small_cnn", *methods[1]}
    assert {"Pillow", "scikit-learn", "the code of source digits"} <= set(PrepareDataParams().code())


def test_an_own_network_counts_by_its_code(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = "own_network_that_changes"
    digests = []
    for width in (2, 4):
        (tmp_path / f"{module}.py").write_text(NETWORK.format(width))
        forget_code()
        digests.append(AcquireDenseParams(model=f"{module}:build").code())
    assert digests[0].keys() == digests[1].keys() != set()
    assert digests[0] != digests[1]
    assert list(AcquireDenseParams(model="small_cnn").code()) == ["the code of model small_cnn"]
    assert module not in sys.modules, "looking at code imports none"


def test_weights_count_by_their_content_unless_their_sha256_names_them(tmp_path: Path):
    file = tmp_path / "some.safetensors"
    digests = []
    for value in (0.0, 1.0):
        save_file({"head.weight": torch.full((2, 2), value)}, file)
        digests.append(AcquireDenseParams(weights=str(file)).outside())
    assert [list(one) for one in digests] == [["weights some.safetensors"]] * 2
    assert digests[0] != digests[1]
    assert AcquireDenseParams().outside() == {}
    assert AcquireDenseParams(weights=str(file), sha256="01234567").outside() == {}


def test_a_table_and_its_images_count(tmp_path: Path):
    write_files(tmp_path)
    table = tmp_path / "people.csv"
    looks = [PrepareDataParams(source="table", location=str(table)).outside()]
    table.write_text(table.read_text().replace("a0.png,b0.png,x", "a0.png,b0.png,y"))
    looks.append(PrepareDataParams(source="table", location=str(table)).outside())
    (tmp_path / "a1.png").write_bytes((tmp_path / "a2.png").read_bytes() + b"\0")
    looks.append(PrepareDataParams(source="table", location=str(table)).outside())
    assert [set(one) for one in looks] == [{"people.csv", "images of people.csv"}] * 3
    assert looks[0]["people.csv"] != looks[1]["people.csv"] == looks[2]["people.csv"]
    assert looks[0]["images of people.csv"] == looks[1]["images of people.csv"] != looks[2]["images of people.csv"]
    other = PrepareDataParams(source="table", location=str(table), image_column="picture").outside()
    assert other["images of people.csv"] != looks[2]["images of people.csv"]


def test_a_source_is_given_what_the_parameters_say(tmp_path: Path):
    options = PrepareDataParams(
        cache_dir=str(tmp_path), download=True, image_column="i", label_column="l", part_column="p"
    ).options()
    assert (options.cache_dir, options.download) == (tmp_path, True)
    assert (options.image_column, options.label_column, options.part_column) == ("i", "l", "p")
    assert PrepareDataParams().options().cache_dir == default_cache_dir()


def test_a_stage_that_reads_nothing_from_outside_says_so():
    assert StageParams().outside() == StageParams().code() == {}


@pytest.mark.parametrize("asked", ["", "mine"])
def test_weights_from_elsewhere_are_kept_where_the_parameters_say(asked: str, tmp_path: Path, monkeypatch):
    kept = []

    def model_from(*arguments: Any) -> Any:
        kept.append(arguments[-1])
        raise UserError("seen enough")

    monkeypatch.setattr("prunegap.acquisition.start.model_from", model_from)
    params = AcquireDenseParams(weights="w.pt", cache_dir=asked and str(tmp_path / asked))
    with pytest.raises(UserError, match="seen enough"):
        acquire_dense(params, given.dataset(), checkpoint=given.Witness(), tracker=NullTracker())
    assert kept == [tmp_path / "mine" if asked else default_cache_dir()]


def test_a_model_that_does_not_say_what_it_means_is_refused():
    spec = given.dense_model().network.spec
    silent = replace(spec, class_names=(), channel_mean=(), channel_std=())
    with pytest.raises(UserError, match=r"without the names of its classes and its normalisation .* make it again"):
        seen_by(silent, given.dataset().data)
    assert list(seen_by(spec, given.dataset().data).class_names) == list(given.CLASSES)


def test_the_report_says_how_the_first_run_of_each_method_was_made():
    evaluations, histories = given.judged()
    told = _provenance(CompareParams(title="faces"), evaluations, [*histories, replace(histories[1], seed=9)])
    assert told["title"] == "faces"
    assert set(told) == {"title", "finetune nft", "finetune ceag"}
    words = str(told["finetune ceag"]).split(", ")
    assert {"method ceag", "tolerance 0.01"} <= set(words)
    assert not [word for word in words if word.startswith("label")]
