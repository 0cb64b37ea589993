"""Names that a platform would confuse. Truth: what each platform makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prunegap.pipeline.confusable_names import same_methods, same_sparsities
from prunegap.pipeline.experiment import Experiment

LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,7}", fullmatch=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ceag", "CEAG"),
        ("El-k5.1", "el-K5.1"),
    ],
)
def test_methods_that_some_platform_would_take_for_each_other_are_refused_everywhere(one, other):
    said = same_methods(["nft", one, other])
    assert said.startswith(f"{one} and {other} would be the same as ")
    with pytest.raises(ValidationError, match="give one of them another label"):
        Experiment.model_validate(
            {"name": "x", "methods": ["nft", {"method": "ceag", "label": one}, {"method": "ceag", "label": other}]}
        )


def test_methods_that_differ_on_every_platform_are_taken():
    labels = ["nft", "ceag", "ceag_k5", "ceag-k50", "2nd"]
    assert same_methods(labels) == ""
    methods = ["nft", "ceag", *({"method": "ceag", "label": label} for label in labels[2:])]
    assert len(Experiment.model_validate({"name": "x", "methods": methods}).methods) == 5


@given(st.lists(LABELS, min_size=2, max_size=4))
def test_labels_that_are_taken_differ_as_folders(labels):
    if not same_methods(labels):
        assert len({label.lower() for label in labels}) == len(labels)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.9, 0.98, 0.9800001], "0.98 and 0.9800001 are both written 0.98"),
        ([0.5, 0.5], "0.5 and 0.5 are both written 0.5"),
        ([0.0, 0.00], "0.0 and 0.0 are both written 0"),
        ([0.99, 0.995, 0.9999, 0.0, 1e-5], ""),
    ],
)
def test_sparsities_that_are_written_alike_are_named(values, said):
    assert same_sparsities(values) == said


@given(st.lists(st.floats(0, 0.999999), min_size=2, max_size=5))
def test_sparsities_that_are_taken_have_steps_and_files_of_their_own(values):
    if not same_sparsities(values):
        assert len({f"{100 * value:.6g}" for value in values}) == len(values)
