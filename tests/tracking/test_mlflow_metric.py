"""Excess gaps as a metric of MLflow. Truth: loops over the rows, and what MLflow's API reads back from a server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import MetricThreshold, evaluate

import prunegap
from prunegap.errors import UserError

pytestmark = [
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # MLflow's own, under pandas 3
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer"),
]
AGES = ("old|er", "Old_er", "mid/dle", "<young>")
QUIET = {"log_model_explainability": False}


def table(rows=800, seed=0, harm=0.2):
    """Rows of classes as words, the last group harmed; the index runs backwards, so that only places align."""
    draw = np.random.default_rng(seed)
    names = np.array(["cat", "dog", "owl"])
    label, age = draw.integers(0, 3, rows), draw.integers(0, 4, rows)
    dense = np.where(draw.random(rows) < 0.9, label, (label + 1) % 3)
    sparse = np.where(draw.random(rows) < 0.04 + harm * (age == 3), (dense + 2) % 3, dense)  # some are gained
    columns = {"label": names[label], "dense": names[dense], "pruned": names[sparse]}
    columns |= {"age": np.array(AGES)[age], "sex": np.where(draw.random(rows) < 0.5, "f", "m")}
    return pd.DataFrame(columns, index=np.arange(rows)[::-1])


def excess(rows, name):
    """The group's share of examples lost, less that of all, counted one by one."""
    lost = [(int(d == y) - int(s == y), a) for y, d, s, a in rows[["label", "dense", "pruned", "age"]].to_numpy()]
    mine = [delta for delta, age in lost if age == name]
    return sum(mine) / len(mine) - sum(delta for delta, _ in lost) / len(lost)


def metric(dense: Any = "dense", groups: Any = "age", tolerance=0.05, **more):
    return prunegap.mlflow_metric(dense=dense, groups=groups, tolerance=tolerance, **more)


def results(made, rows, **columns):
    """What the metric's function says of columns, as MLflow hands them over."""
    return made(predictions=rows["pruned"], targets=rows["label"], **columns).aggregate_results


def test_a_server_holds_each_groups_gap_with_limits_the_bounds_and_the_whole_audit(on_server):
    rows = table()
    evaluate(
        data=rows,
        targets="label",
        predictions="pruned",
        model_type="classifier",
        extra_metrics=[metric()],
        evaluator_config=QUIET,
    )
    seen = on_server()
    (run,) = seen.runs()
    found = {
        key.removeprefix("excess_gap/"): value
        for key, value in run.data.metrics.items()
        if key.startswith("excess_gap/")
    }
    slugs = {"old|er": "old_er", "Old_er": "Old_er_2", "mid/dle": "mid/dle", "<young>": "_young_"}
    if "group/Old_er" in found:  # the one that is harmed more is named first
        slugs |= {"old|er": "old_er_2", "Old_er": "Old_er"}
    by_hand = {name: excess(rows, name) for name in AGES}
    assert {name: found[f"group/{slug}"] for name, slug in slugs.items()} == pytest.approx(by_hand)
    assert found["max_psi"] == pytest.approx(max(by_hand.values()))
    assert found["max_psi_low"] <= found["max_psi"] <= found["max_psi_high"]
    assert found["accuracy_dense"] == pytest.approx((rows.dense == rows.label).mean())
    assert run.data.metrics["accuracy_score"] == pytest.approx((rows.pruned == rows.label).mean())
    assert found["churn"] == pytest.approx(((rows.dense == rows.label) != (rows.pruned == rows.label)).mean())
    audited = prunegap.audit(
        before=rows.dense, after=rows.pruned, label=rows.label, groups={"age": rows.age.tolist()}, tolerance=0.05
    )
    for group in audited.groups:
        slug, psi = slugs[group.name], group.excess_gap
        told = [found[f"{kind}/{slug}"] for kind in ("group_low", "group_high", "group_at_most")]
        assert told == [psi.low, psi.high, group.at_most]
    assert [found[f"max_psi_{end}"] for end in ("low", "high")] == [audited.max_psi.low, audited.max_psi.high]
    assert [found[f"psi_pw{end}"] for end in ("", "_low", "_high")] == [
        audited.psi_pw.value,
        audited.psi_pw.low,
        audited.psi_pw.high,
    ]
    assert found["max_psi_noise_floor"] == audited.noise_floor_max_psi.high
    assert found["psi_pw_noise_floor"] == audited.noise_floor_psi_pw.high
    assert (found["admissible"], found["inadmissible"], found["tolerance"]) == (0, 1, 0.05)
    assert json.loads(seen.text(run, "excess_gap.json")) == json.loads(json.dumps(audited.plain()))
    assert {file.path for file in seen.client.list_artifacts(run.info.run_id)} >= {"excess_gap.json"}


def test_a_model_is_evaluated_with_groups_that_it_does_not_take_and_mlflows_own_check_is_the_gate(on_server):
    rows = table(rows=3000, harm=0.0)
    codes = {name: at for at, name in enumerate(sorted(set(rows.label)))}
    features = pd.DataFrame({"pruned": rows.pruned.map(codes).astype(float), "label": rows.label.map(codes)})
    given = {"dense": rows.dense.map(codes).to_numpy(), "groups": {"age": rows.age}, "record": ""}

    def outcome(tolerance):
        return evaluate(
            lambda data: data["pruned"].to_numpy(),
            features,
            targets="label",
            model_type="classifier",
            extra_metrics=[metric(**given, tolerance=tolerance)],
            evaluator_config=QUIET,
        )

    gate = {"excess_gap/admissible": MetricThreshold(threshold=1, greater_is_better=True)}
    mlflow.validate_evaluation_results(gate, outcome(0.06))
    (run,) = on_server().runs()
    assert run.data.metrics["excess_gap/admissible"] == 1
    assert run.data.metrics["excess_gap/group/_young_"] == pytest.approx(excess(rows, "<young>"))
    assert "excess_gap.json" not in {file.path for file in on_server().client.list_artifacts(run.info.run_id)}
    with pytest.raises(MlflowException, match="excess_gap/admissible value threshold check failed"):
        mlflow.validate_evaluation_results(gate, outcome(0.0))


def test_a_column_that_is_not_there_is_mlflows_to_name(on_server):
    with pytest.raises(MlflowException, match=r"missing columns \['region'\]"):
        evaluate(
            data=table(rows=50),
            targets="label",
            predictions="pruned",
            model_type="classifier",
            extra_metrics=[metric(groups="region")],
            evaluator_config=QUIET,
        )


@pytest.mark.parametrize(("harm", "tolerance", "flags"), [(0.0, 0.1, (1, 0)), (0.3, 0.05, (0, 1)), (0.1, 0.06, (0, 0))])
def test_a_verdict_is_two_flags_and_undecidable_is_neither(harm, tolerance, flags):
    rows = table(harm=harm)
    found = results(metric(tolerance=tolerance), rows, dense=rows.dense, age=rows.age)
    assert (found["admissible"], found["inadmissible"]) == flags


def test_several_attributes_are_judged_by_their_intersection_as_columns_and_as_values():
    rows = table()
    columns = results(metric(groups=["age", "sex"]), rows, dense=rows.dense, age=rows.age, sex=rows.sex)
    values = results(metric(dense=rows.dense, groups={"age": rows.age, "sex": rows.sex}), rows)
    assert columns == values
    assert len([key for key in columns if key.startswith("group/")]) == 8
    mine = (rows.age == "<young>") & (rows.sex == "f")
    delta = (rows.dense == rows.label).astype(int) - (rows.pruned == rows.label).astype(int)
    assert columns["group/_young_ / f"] == pytest.approx(delta[mine].mean() - delta.mean())


def test_the_classes_themselves_can_be_the_groups():
    rows = table()
    found = results(metric(groups="targets"), rows, dense=rows.dense)
    assert {key for key in found if key.startswith("group/")} == {"group/cat", "group/dog", "group/owl"}


def test_options_are_those_of_an_audit():
    rows = table()
    found = results(metric(leave_out=["<young>"], alpha=0.2), rows, dense=rows.dense, age=rows.age)
    assert len([key for key in found if key.startswith("group/")]) == 3
    wide = results(metric(leave_out=["<young>"]), rows, dense=rows.dense, age=rows.age)
    assert found["max_psi_high"] < wide["max_psi_high"]
    with pytest.raises(UserError, match="tolerance must be >= 0, got -1"):
        results(metric(tolerance=-1), rows, dense=rows.dense, age=rows.age)


def test_the_first_row_alone_has_no_figures_and_outside_a_run_none_is_begun():
    rows = table()
    assert results(metric(dense=rows.dense), rows[:1], age=rows.age[:1]) == {}
    assert results(metric(), rows, dense=rows.dense, age=rows.age)
    assert mlflow.active_run() is None


def test_every_name_fits_mlflow_however_long_and_alike_groups_are():
    rows = table()
    long = rows.age.map({name: f"{'x' * 300}{name}" for name in AGES})
    found = results(metric(), rows, dense=rows.dense, age=long)
    keys = [f"excess_gap/{key}" for key in found]
    assert len({key.lower() for key in keys}) == len(keys) == 29
    assert max(map(len, keys)) <= 250


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"groups": "age group"},
            "groups: MLflow looks columns up by the name of a parameter, which 'age group' cannot",
        ),
        ({"dense": "class"}, "dense: MLflow looks columns up by the name of a parameter, which 'class' cannot be"),
        (
            {"groups": {"age": [["a"]]}},
            r"groups\['age'\]: must have a value an example, shape \(examples,\), got shape \(1, 1\)",
        ),
    ],
)
def test_what_mlflow_cannot_hand_over_is_refused_when_the_metric_is_made(more, message):
    with pytest.raises(UserError, match=message):
        metric(**more)


def test_scores_in_place_of_classes_and_values_of_other_examples_are_refused():
    rows = table()
    with pytest.raises(
        UserError, match=r"dense: must hold classes as the targets do, e.g. '\w+'; none of its values is one, e.g. 0\.5"
    ):
        results(metric(dense=np.full(len(rows), 0.5)), rows, age=rows.age)
    with pytest.raises(UserError, match="all columns must have one shape"):
        results(metric(dense=rows.dense[:9]), rows, age=rows.age)


def test_prunegap_itself_stays_light():
    script = "import sys, prunegap; print(sorted({'mlflow', 'numpy', 'scipy', 'torch', 'jinja2'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
    assert Path(prunegap.__file__).name == "__init__.py"
