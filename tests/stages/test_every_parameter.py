"""Every parameter of every stage does something, or is said not to: two values, two results (table: effects.py)."""

from typing import Any

import pytest
import torch
from core.outside_package import installed
from stages.effects import EFFECTS, Pair
from stages.results import BASE, HOW, STAGES, differing, result_of
from stages.their_package import POINTS
from stages.tiny_values import write_files
from torchvision.datasets import MNIST

from prunegap.stages.params import NO_EFFECT

TYPES = {stage.name: stage.params_type for stage in STAGES}
PAIRS = [
    pytest.param(stage, name, pair, id=f"{stage}-{name}-{number}")
    for stage, effects in EFFECTS.items()
    for name, pairs in effects.items()
    for number, pair in enumerate(pairs)
]


@pytest.fixture(scope="module", autouse=True)
def their_package(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("theirs"), "theirs", "", POINTS):
        yield


@pytest.fixture(scope="session")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture(autouse=True)
def cpu(monkeypatch, here):
    """On the CPU with the threads of before; nothing is downloaded or drawn."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(MNIST, "mirrors", [f"file://{here}/nowhere/"])
    monkeypatch.setattr("prunegap.report.gallery.draw_all", lambda *_: [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def asked(stage: str, here: Any, **values: Any) -> Any:
    """The stage's parameters: the base of its tests, and these."""
    params = {**BASE[stage], **values}
    return TYPES[stage].model_validate({key: filled(value, here) for key, value in params.items()})


def filled(value: Any, here: Any) -> Any:
    return value.replace("{here}", str(here)) if isinstance(value, str) else value


@pytest.mark.parametrize("name", TYPES)
def test_every_parameter_has_its_entry_in_the_table(name):
    assert set(EFFECTS[name]) == set(TYPES[name].model_fields)


@pytest.mark.parametrize("name", TYPES)
def test_what_is_marked_as_without_effect_is_in_the_table_as_such(name):
    for field, info in TYPES[name].model_fields.items():
        if info.json_schema_extra == NO_EFFECT:
            assert all(pair.reason for pair in EFFECTS[name][field]), field


@pytest.mark.parametrize(("stage", "name", "pair"), PAIRS)
def test_a_parameter_has_its_effect(stage: str, name: str, pair: Pair, here):
    one, other = (asked(stage, here, **{**pair.around, name: value}) for value in (pair.one, pair.other))
    changed = differing(result_of(stage, one), result_of(stage, other), pair.within)
    assert changed >= set(pair.changes), f"{pair.one!r} or {pair.other!r}: the same {set(pair.changes) - changed}"
    if pair.reason:
        assert changed <= set(HOW), f"{name}, which {pair.reason}, changes {changed - set(HOW)}"


@pytest.mark.parametrize("stage", TYPES)
def test_a_stage_called_again_with_the_same_values_gives_the_same_to_the_bit(stage: str, here):
    params = asked(stage, here)
    once, again = result_of(stage, params), result_of(stage, params)
    assert "refused" not in once
    assert differing(once, again) == set()
