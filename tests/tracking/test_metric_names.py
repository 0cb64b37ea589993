"""Truth: MLflow's own validation of metric and parameter names decides what a name may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunegap.tracking.names import MetricNames, flatten, slug

AWKWARD = [
    "acc@1",
    "f(x)[0],y",
    "a//b",
    "/a",
    "a/",
    "../a",
    "a/./b",
    "..",
    ".",
    "",
    " ",
    "é/中",
    "x" * 400,
    "a:b",
    "a/" * 130,
]


@pytest.fixture(scope="module")
def validate():
    from prunegap.tracking.mlflow_client import connect

    connect("http://127.0.0.1:9")
    from mlflow.utils.validation import _validate_metric

    return lambda name: _validate_metric(name, 1.0, 0, 0)


@pytest.mark.parametrize("name", AWKWARD)
def test_mlflow_accepts_the_slug_of_an_awkward_name(validate, name):
    validate(slug(name))


def test_mlflow_accepts_the_slug_of_any_text(validate):
    @given(st.text(st.sampled_from("ab/. @()[],:\n\t_-'\"é"), max_size=12))
    def check(name):
        validate(slug(name))

    check()


@pytest.mark.parametrize("name", ["group_accuracy/South Asian", "a.b-c_d", "train/é"])
def test_a_name_mlflow_accepts_stays_as_it_is(name):
    assert slug(name) == name


@given(st.lists(st.text(st.sampled_from("aA@(_2"), max_size=5), unique=True, max_size=20))
def test_two_names_never_share_a_slug_and_a_name_keeps_its_own(names):
    table = MetricNames()
    slugs = [table.slug(name) for name in names]
    assert len({key.lower() for key in slugs}) == len(names)
    assert [table.slug(name) for name in names] == slugs
    assert {table.renamed.get(key, key) for key in slugs} == set(names)


def test_colliding_names_get_a_suffix_in_order_of_appearance():
    table = MetricNames()
    assert [table.slug(name) for name in ("a_b", "a@b", "a(b")] == ["a_b", "a_b_2", "a_b_3"]
    assert table.renamed == {"a_b_2": "a@b", "a_b_3": "a(b"}


def test_names_that_differ_in_case_alone_are_two_keys_where_a_server_ignores_it():
    table = MetricNames()
    assert [table.slug(name) for name in ("group/A", "group/a", "group/A")] == ["group/A", "group/a_2", "group/A"]
    assert table.renamed == {"group/a_2": "group/a"}


def test_long_names_that_differ_at_the_end_stay_apart_within_250_characters():
    table = MetricNames()
    slugs = {table.slug("x" * 300 + end) for end in "abc"}
    assert len(slugs) == 3
    assert all(len(key) <= 250 for key in slugs)


def test_parameters_are_flat_and_printed():
    nested = {"a": {"b": 1, "c": {"d": None}}, "e": [1, 2], "f": "text", "g": 0.5, "h": True}
    expected = {"a.b": "1", "a.c.d": "None", "e": "[1, 2]", "f": "text", "g": "0.5", "h": "True"}
    assert flatten(nested) == expected
