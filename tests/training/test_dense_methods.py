"""Which methods can train a dense model. Truth: whether the formula of a method's constraints names the dense model."""

from typing import Any

import pytest

from prunegap.constraints.formulation import ConstrainedMethod
from prunegap.errors import UserError
from prunegap.stages.acquire_dense import AcquireDenseParams
from prunegap.training.methods import find_dense_method, find_method, method_names

WITHOUT_DENSE = {
    "nft", "el", "el_rb", "group_dro", "reweighted", "balanced_sampling", "bias_correction", "last_layer",
}  # fmt: skip


@pytest.mark.parametrize("name", method_names())
def test_a_method_trains_a_dense_model_if_it_compares_with_none(name):
    if name in WITHOUT_DENSE:
        assert find_dense_method(name) == find_method(name)
        assert AcquireDenseParams(method=name).method == name
        return
    with pytest.raises(UserError, match=rf"method '{name}' (compares with a dense|picks an epoch) .*: take nft"):
        find_dense_method(name)


@pytest.mark.parametrize(
    ("said", "needs"), [({"needs_dense": False}, False), ({"needs_dense": True}, True), ({}, True)]
)
def test_a_formulation_that_does_not_say_so_needs_a_dense_model(said, needs):
    own: Any = type("Own", (), said)
    assert ConstrainedMethod("own", own, buffers=True).needs_dense is needs
