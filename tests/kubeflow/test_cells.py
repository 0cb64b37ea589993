"""Truth: the experiment's own run, step by step, and the rules of the stages that a list of cells would break later."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from walk import ROOT

from prunegap.cli.experiment_file import read_experiment
from prunegap.cli.kubeflow_plan import checked_cells, each_item, item, plan_cells
from prunegap.errors import UserError
from prunegap.local import LocalRunner
from prunegap.pipeline import Experiment, prune_and_compare
from prunegap.pipeline.cells import Cells
from prunegap.stages.finetune import FinetuneParams, finetune

ONE = {"seed": 0, "sparsity": 0.9, "tolerance": 0.05, "method": "nft"}


class Noting:
    """Notes the steps that a run would carry out, and what each is given."""

    def __init__(self):
        self.steps = {}

    def run(self, step, stage, params, inputs, tags):
        known = self.steps.setdefault(step, (stage.name, params, dict(inputs), dict(tags)))
        assert known[1:] == (params, dict(inputs), dict(tags))
        return {port.name: f"{step}/{port.name}" for port in stage.outputs}

    fan_out = LocalRunner.fan_out


def experiment(**changes):
    raw = {
        "name": "x",
        "seeds": [3, 1],
        "sparsities": [{"sparsity": 0.5, "tolerance": 0.02}, 0.995],
        "methods": ["nft", {"method": "ceag", "label": "a", "buffer_size": 3}, {"method": "ceag", "label": "b"}],
        "finetune": {"tolerance": 0.01, "dual_step_size": 0.03},
        "prepare_data": {"validation_share": 0.1},
    }
    return Experiment.model_validate(raw | changes)


def steps(of, parts=None):
    runner = Noting()
    prune_and_compare(of, runner, parts)
    return runner.steps


class Item:
    """A part of a run as a loop's item: its keys are attributes, as Kubeflow's items have them."""

    def __init__(self, values):
        self.__dict__ = {
            key: [Item(one) for one in value] if key in {"cells", "prunings"} else as_a_stage_reads_it(value)
            for key, value in values.items()
        }


def as_a_stage_reads_it(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("dense_seeds", ["shared", "per_seed"])
def test_the_default_list_of_cells_is_the_experiments_own_run(dense_seeds):
    of = experiment(dense_seeds=dense_seeds)
    told = {name: getattr(of.finetune, name) for name in FinetuneParams.model_fields}
    listed = json.loads(json.dumps(of.plain_cells()))
    planned = checked_cells({"cells": listed, "per_seed": dense_seeds == "per_seed", **told})
    parts = [Item(one) for one in json.loads(json.dumps([item(part) for part in planned.parts()]))]
    assert steps(of, parts) == steps(of)


def test_cells_share_what_they_can_and_the_comparison_lists_them_as_a_run_does():
    run = steps(experiment())
    names = [name for name, *_ in run.values()]
    assert {name: names.count(name) for name in names} == {
        "prepare_data": 1,
        "acquire_dense": 1,
        "measure_baseline": 1,
        "prune": 4,
        "finetune": 12,
        "evaluate": 12,
        "gate": 1,
        "compare": 1,
    }
    evaluations = run["compare"][2]["evaluations"]
    assert evaluations[:4] == (
        "evaluate-sparsity50-seed3-nft/evaluation",
        "evaluate-sparsity50-seed3-a/evaluation",
        "evaluate-sparsity50-seed3-b/evaluation",
        "evaluate-sparsity99.5-seed3-nft/evaluation",
    )
    _, params, inputs, tags = run["finetune-sparsity50-seed1-a"]
    assert (params.tolerance, params.buffer_size, params.dual_step_size) == (0.02, 3, 0.03)
    assert inputs["sparse_model"] == "prune-sparsity50-seed1/sparse_model"
    assert tags == {"seed": "1", "sparsity": "0.5", "method": "ceag", "label": "a"}


def test_cells_in_any_order_share_their_pruned_model_and_their_seeds_dense_model():
    cells = [ONE, ONE | {"seed": 1}, ONE | {"method": "el"}, ONE | {"sparsity": 0.5}]
    parts: Any = checked_cells({"cells": cells}).parts()
    assert [(part.seed, part.sparsity, [one.method for one in part.cells]) for part in parts] == [
        (0, 0.9, ["nft", "el"]),
        (1, 0.9, ["nft"]),
        (0, 0.5, ["nft"]),
    ]
    seeds: Any = checked_cells({"cells": cells, "per_seed": True}).parts()
    assert [(part.seed, [one.sparsity for one in part.prunings]) for part in seeds] == [(0, [0.9, 0.5]), (1, [0.9])]


@pytest.mark.parametrize(
    ("cells", "more", "said"),
    [
        ([ONE | {"sparsty": 0.9}], {}, "cells.0.sparsty: unknown key; did you mean 'sparsity'?"),
        ([ONE, ONE | {"sparsity": 1.5}], {}, "cells.1.sparsity: must be < 1, got 1.5"),
        ([ONE | {"sparsity": "much"}], {}, "cells.0.sparsity: must be a number, got 'much'"),
        ([ONE | {"seed": -1}], {}, "cells.0.seed: must be >= 0, got -1"),
        ([ONE | {"seed": 0.5}], {}, "cells.0.seed: must be a whole number, got 0.5"),
        ([ONE | {"seed": True}], {}, "cells.0.seed: must be a number, got true"),
        ([ONE | {"tolerance": -0.1}], {}, "cells.0.tolerance: must be >= 0, got -0.1"),
        ([ONE | {"method": "caeg"}], {}, "cells.0.method: method 'caeg' is not known; did you mean 'ceag'?"),
        ([ONE | {"dual_step_size": 0}], {}, "cells.0.dual_step_size: must be > 0, got 0"),
        ([{"seed": 0, "sparsity": 0.9, "tolerance": 0.05}], {}, "cells.0.method: required, but not given"),
        ([{"seed": 0, "tolerance": 0.05, "method": "nft"}], {}, "cells.0.sparsity: required, but not given"),
        ([0.9], {}, "cells.0: must be a section of keys and values, got 0.9"),
        ([], {}, "cells: must have at least one entry, got []"),
        ("all", {}, "cells: must be a list, as in [a, b], got 'all'"),
        ([ONE, ONE], {}, "cells 0 and 1 are the same (seed 0, sparsity 0.9, nft); leave one out, or give it a label"),
        ([ONE, ONE | {"method": "ceag", "label": "NFT"}], {}, "nft and NFT would be the same as "),
        ([ONE, ONE | {"sparsity": 0.9000001}], {}, "0.9 and 0.9000001 are both written 0.9"),
        (
            [ONE, ONE | {"seed": 1, "tolerance": 0.1}],
            {},
            "cells 0 and 1 are both called nft and differ in tolerance (0.05 and 0.1); give one another label",
        ),
        (
            [ONE | {"label": "mine"}, ONE | {"sparsity": 0.5, "label": "mine", "method": "ceag"}],
            {},
            "cells 0 and 1 are both called mine and differ in method (nft and ceag); give one another label",
        ),
        (
            [ONE],
            {"initial_sparsity": 0.95},
            "cells.0.sparsity: must be >= prune's initial_sparsity (0.95), got 0.9",
        ),
        (
            [ONE | {"method": "nft_es"}],
            {"validation_share": 0},
            "method nft_es picks its epoch on held-out examples, and there are none: ",
        ),
    ],
)
def test_a_list_that_could_not_be_run_to_its_end_is_refused_before_it_begins(cells, more, said):
    with pytest.raises(UserError) as refused:
        checked_cells({"cells": cells, **more})
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def told(folder, name, **parameters):
    place = {"parameters": {"Output": {"outputFile": str(folder / "deep" / name)}}, "outputFile": str(folder / "out")}
    return json.dumps({"inputs": {"parameterValues": parameters}, "outputs": place})


def test_the_plan_of_a_run_is_what_its_loops_go_over(tmp_path):
    # Kubeflow's numbers are floats, and its settings come as parameters of their own.
    given = {**ONE, "seed": 0.0, "method": "ceag"}
    done = CliRunner().invoke(plan_cells, [told(tmp_path, "plan", cells=[given], buffer_size=7.0)])
    assert done.exit_code == 0, done.output
    (part,) = json.loads((tmp_path / "deep/plan").read_text())
    (cell,) = part.pop("cells")
    assert part == {
        "seed": 0,
        "sparsity": 0.9,
        "prune_step": "prune-sparsity90-seed0",
        "tags": {"seed": "0", "sparsity": "0.9"},
    }
    assert (cell["seed"], cell["buffer_size"], cell["finetune_step"]) == (0, 7, "finetune-sparsity90-seed0-ceag")
    assert {*FinetuneParams.model_fields, "made_from", "tags", "evaluate_step"} <= set(cell)
    assert cell["made_from"] == finetune.surroundings(FinetuneParams(method="ceag")).digest
    assert cell["made_from"] != finetune.surroundings(FinetuneParams(method="nft")).digest
    done = CliRunner().invoke(each_item, [told(tmp_path, "each", items=[cell, cell])])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "deep/each").read_text()) == [cell, cell]


def test_the_platforms_own_list_is_refused_by_its_first_task_and_nothing_is_written(program, tmp_path):
    ended = program("prunegap", "plan-cells", told(tmp_path, "plan", cells=[ONE, ONE | {"method": "x"}]))
    assert (ended.code, len(ended.lines)) == (1, 1)
    assert ended.last.startswith("error: cells.1.method: method 'x' is not known; valid: ")
    assert not list(tmp_path.iterdir())


def test_the_cells_of_every_experiment_can_be_a_run():
    for path in (ROOT / "experiments").glob("*.yaml"):
        of = read_experiment(path)
        assert Cells(cells=of.cells, per_seed=of.dense_seeds == "per_seed").parts() == of.parts()
