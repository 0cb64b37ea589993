"""One compiled pipeline with several lists of cells. Truth: what arrives at an HTTP server, the tables."""

import json

import pytest
from walk import DIGEST

from prunegap.artifacts.evaluation import load_evaluations


@pytest.fixture
def package(program, tmp_path):
    """The smoke experiment, compiled once."""
    path = tmp_path / "smoke.pipeline.yaml"
    assert (
        program("prunegap-pipelines", "compile", "experiments/smoke.yaml", "--output", path, "--image", DIGEST).code
        == 0
    )
    return path


def cells(*methods, seeds=(0,), sparsities=(0.9,)):
    return [
        {"seed": seed, "sparsity": sparsity, "tolerance": 0.05, "method": method}
        for seed in seeds
        for sparsity in sparsities
        for method in methods
    ]


def test_what_was_compiled_once_is_submitted_with_three_lists_of_cells(program, api, package, tmp_path):
    grid = cells("nft", "el", seeds=(0, 7), sparsities=(0.5, 0.99))
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    one = [{**cells("ceag")[0], "dual_step_size": 0.1, "label": "fast"}]
    compiled = package.read_bytes()
    for words in (("--cells", tmp_path / "grid.yaml"), ("--cells", json.dumps(one)), ()):
        ended = program("prunegap-pipelines", "submit", package, "--host", api.host, "--no-wait", *words)
        assert ended.code == 0, ended.err
    assert [run.get("runtime_config", {}).get("parameters", {}) for run in api.runs] == [
        {"cells": grid},
        {"cells": one},
        {},
    ]
    assert api.runs[0]["pipeline_spec"] == api.runs[1]["pipeline_spec"] == api.runs[2]["pipeline_spec"]
    assert package.read_bytes() == compiled
    assert {one["display_name"] for one in api.experiments} == {"smoke"}
    inputs = api.runs[2]["pipeline_spec"]["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    assert [one["method"] for one in inputs["cells"]["defaultValue"]] == ["nft", "ceag"] * 2


def test_an_experiment_takes_another_list_of_cells_too(program, api):
    words = ("experiments/smoke.yaml", "--image", DIGEST, "--host", api.host, "--no-wait")
    assert program("prunegap-pipelines", "submit", *words, "--cells", json.dumps(cells("el"))).code == 0
    assert api.runs[0]["runtime_config"]["parameters"] == {"cells": cells("el")}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ('[{"seed": 0}]', "--cells: cells.0.method: required, but not given"),
        ('{"seed": 0}', "--cells: must be a list of cells, each with seed, sparsity, tolerance and method"),
        ("[{", "--cells: not valid YAML: "),
        ("none.yaml", "--cells none.yaml: cannot be read (No such file or directory); give a file, or the list itself"),
        (json.dumps(cells("nft", "nft")), "--cells: cells 0 and 1 are the same (seed 0, sparsity 0.9, nft); leave one"),
        (json.dumps(cells("nft", sparsities=(1.2,))), "--cells: cells.0.sparsity: must be < 1, got 1.2"),
        (json.dumps(cells("nfd")), "--cells: cells.0.method: method 'nfd' is not known; did you mean 'nft'?"),
        (
            json.dumps([cells("nft")[0] | {"toleranc": 1}]),
            "--cells: cells.0.toleranc: unknown key; did you mean 'toler",
        ),
    ],
)
def test_a_bad_list_of_cells_is_refused_before_anything_is_submitted(program, api, package, given, line):
    ended = program("prunegap-pipelines", "submit", package, "--host", api.host, "--cells", given)
    assert ended.code == 1
    assert ended.lines[0].startswith(f"error: {line}"), ended.err
    assert not api.requests


def test_a_list_is_checked_with_what_the_package_was_compiled_for(program, api, tmp_path):
    path = tmp_path / "mine.yaml"
    compiling = ("compile", "experiments/smoke.yaml", "--output", path, "--image", DIGEST)
    fixed = ("--set", "prune.initial_sparsity=0.5", "--set", "prepare_data.validation_share=0")
    assert program("prunegap-pipelines", *compiling, *fixed).code == 0
    for given, line in (
        (cells("nft", sparsities=(0.4,)), "cells.0.sparsity: must be >= prune's initial_sparsity (0.5), got 0.4"),
        (cells("nft_es"), "method nft_es picks its epoch on held-out examples, and there are none: set prepare_data"),
    ):
        ended = program("prunegap-pipelines", "submit", path, "--host", api.host, "--cells", json.dumps(given))
        assert ended.lines[0].startswith(f"error: --cells: {line}"), ended.err
    assert not api.requests


@pytest.mark.parametrize("option", [("--set", "name=x"), ("--image", "i:1"), ("--resources", "gpu"), ("--no-cache",)])
def test_what_is_fixed_in_a_package_is_refused_beside_it(program, api, package, option):
    ended = program("prunegap-pipelines", "submit", package, "--host", api.host, *option)
    said = (
        f"error: {package}: is compiled, and {option[0]} is fixed in it; compile its experiment anew with {option[0]}"
    )
    assert (ended.code, ended.lines) == (1, [said])
    assert not api.requests


def test_somebody_elses_package_is_refused(program, api, tmp_path):
    path = tmp_path / "theirs.yaml"
    path.write_text("components: {}\npipelineInfo:\n  name: theirs\nroot: {}\n")
    ended = program("prunegap-pipelines", "submit", path, "--host", api.host)
    said = f"error: {path}: a pipeline that prunegap did not compile, or an earlier version of it did"
    assert (ended.code, ended.lines) == (1, [said])


TINY = [f"{key}=1" for key in ("acquire_dense.epochs", "prune.gmp_epochs", "prune.finetune_epochs")]


@pytest.mark.slow
def test_what_was_compiled_once_runs_here_with_two_lists_and_finds_two_tables(program, tmp_path):
    path, folder = tmp_path / "tiny.yaml", tmp_path / "run"
    words = [word for one in TINY for word in ("--set", one)]
    assert program("prunegap-pipelines", "compile", "experiments/smoke.yaml", "--output", path, *words).code == 0
    first = cells("nft", "el", sparsities=(0.5,))
    more = [*cells("nft", sparsities=(0.5,)), *cells("ceag", seeds=(3,), sparsities=(0.75,))]
    tables = []
    for listed in (first, more):
        running = ("run-local", path, "--folder", folder, "--cache", "--cells", json.dumps(listed))
        ended = program("prunegap-pipelines", *running)
        assert ended.code == 0, ended.err
        newest = max(folder.glob("prunegap-smoke-*/compare/comparison"), key=lambda one: one.stat().st_mtime)
        tables.append([(one.sparsity, one.method, one.seed) for one in load_evaluations(newest)])
    assert tables == [[(0.5, "nft", 0), (0.5, "el", 0)], [(0.5, "nft", 0), (0.75, "ceag", 3)]]
    # What the first list made is not made again for the second, though that one is longer in one place.
    new = {"prune-sparsity75-seed3", "finetune-sparsity75-seed3-ceag", "evaluate-sparsity75-seed3-ceag"}
    assert set(ended.done) == {"open-run", "plan-cells", *new, "gate", "compare", "close-run"}


def test_a_bad_list_is_refused_before_anything_runs_here(program, package, tmp_path):
    words = ("run-local", package, "--folder", tmp_path / "run", "--cells", json.dumps(cells("nft", "nft")))
    ended = program("prunegap-pipelines", *words)
    assert (ended.code, len(ended.lines), (tmp_path / "run").exists()) == (1, 1, False)
    assert ended.last.startswith("error: --cells: cells 0 and 1 are the same (seed 0, sparsity 0.9, nft); leave one")
