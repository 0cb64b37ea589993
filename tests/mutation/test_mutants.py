"""Truth: a module of a few lines whose mutants are written out by hand."""

import ast
import json

import pytest
from mutation.campaign import EQUIVALENT, PACKAGE
from mutation.floors import TESTS
from mutation.forked import ROOT
from mutation.mutants import mutants

MODULE = '''
"""A docstring is left alone: 1 < 2."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


@cache
def f(x: int = 3, *, flag: "a < b" = True) -> int:
    """So is this one."""
    if x < 2 and not flag:
        raise ValueError(f"x must be >= {2 + 2}")
    logger.warning("1 + 1")
    self.y = g(x, depth=x + 1, description="one")
    y = table["key"] if x == "a" else 2
    return -y
'''
BY_HAND = [
    "3 -> 4",
    "True -> False",
    "if x < 2 and (not flag): negated",
    "x < 2 and (not flag) -> x < 2 or not flag",
    "x < 2 -> x <= 2",
    "2 -> 3",
    "not flag -> flag",
    "raise ValueError(f'x must be >= {2 + 2}') -> nothing",
    "self.y = g(x, depth=x + 1, description='one') -> nothing",
    "g(...) without depth=x + 1",
    "x + 1 -> x - 1",
    "1 -> 2",
    "table['key'] if x == 'a' else 2 -> table['key'] if not x == 'a' else 2",
    "x == 'a' -> x != 'a'",
    "x == 'a' -> x == 'mutant'",
    "table['key'] -> table['mutant']",
    "2 -> 3",
    "return -y -> return None",
    "-y -> y",
]


def test_the_mutants_of_a_module_are_those_written_out_by_hand():
    found = list(mutants(MODULE))
    assert sorted(one.change.partition(", in: ")[0] for one in found) == sorted(BY_HAND)
    assert "1 -> 2, in: self.y = g(x, depth=x + 1, description='one')" in {one.change for one in found}
    assert {one.function for one in found} == {"", "f"} - {""}


def test_every_mutant_is_another_module_and_the_module_itself_stays():
    plain = ast.unparse(ast.parse(MODULE))
    sources = [one.source for one in mutants(MODULE)]
    assert len({plain, *sources}) == len(sources) + 1
    assert all(ast.parse(source) for source in sources)


def test_a_mutant_says_where_it_is():
    (one,) = [one for one in mutants(MODULE) if one.change == "x + 1 -> x - 1"]
    assert (one.function, MODULE.splitlines()[one.line - 1].strip()[:6]) == ("f", "self.y")
    assert "depth=x - 1" in one.source


@pytest.mark.parametrize("entry", json.loads(EQUIVALENT.read_text(encoding="utf-8")), ids=lambda one: one["change"])
def test_what_is_argued_to_be_equivalent_is_still_a_mutant(entry: dict[str, str]):
    assert entry["why"]
    source = (PACKAGE / entry["file"]).read_text(encoding="utf-8")
    assert (entry["function"], entry["change"]) in {(one.function, one.change) for one in mutants(source)}


def test_the_tests_of_every_floor_are_there():
    assert all((ROOT / path).exists() for tests in TESTS.values() for path in tests if path.startswith("tests/"))
    assert all((PACKAGE / module).exists() for module in TESTS)
