"""Front matter and result files. Truth: ``huggingface_hub``, which reads them; the keys that hub-docs lists."""

from types import SimpleNamespace

import pytest
import yaml
from report.audited import NAMES, facts, judged

from prunegap.report.hugging_face import hugging_face_card, hugging_face_results
from prunegap.report.markdown import one_line
from prunegap.report.model_card import markdown_card


@pytest.fixture(scope="module")
def hub():
    """The hub's own readers."""
    from huggingface_hub import ModelCard, parse_eval_result_entries

    return SimpleNamespace(card=ModelCard, results=parse_eval_result_entries)


def metrics(card):
    return {one.metric_type: one for one in card.data.eval_results}


def test_the_hubs_own_reader_finds_accuracy_and_largest_gap_with_unit_and_limits(hub):
    one = judged()
    read = hub.card(hugging_face_card(facts(), one))
    found = metrics(read)
    assert list(found) == ["accuracy", "accuracy_before", "churn", "max_psi", "psi_pw"]
    assert found["accuracy"].metric_value == pytest.approx(one.accuracy_after, abs=1e-6)
    assert found["accuracy_before"].metric_value == pytest.approx(one.accuracy_before, abs=1e-6)
    assert found["churn"].metric_value == pytest.approx(one.churn, abs=1e-6)
    assert found["churn"].metric_args == {"unit": "fraction"}
    for name, bound in (("max_psi", one.max_psi), ("psi_pw", one.psi_pw)):
        more = found[name].metric_args
        assert found[name].metric_value == pytest.approx(100 * bound.value, abs=1e-6)
        assert (more["low"], more["high"]) == pytest.approx((100 * bound.low, 100 * bound.high), abs=1e-6)
        assert (more["unit"], more["limits"]) == ("percentage points", "one-sided 95 % each")
        assert "percentage points" in found[name].metric_name
    assert found["psi_pw"].metric_args["noise_floor_95"] == pytest.approx(100 * one.noise_floor_psi_pw.high, abs=1e-6)
    more = found["max_psi"].metric_args
    assert more["noise_floor_95"] == pytest.approx(100 * one.noise_floor_max_psi.high, abs=1e-6)
    assert (more["tolerance"], more["verdict"], more["candidates"]) == (5.0, "undecidable", 1)
    assert more["worst_group"] == one_line(one.groups[0].name)


def test_every_result_is_of_the_task_the_data_and_the_split_that_were_judged(hub):
    read = hub.card(hugging_face_card(facts(), judged()))
    assert read.data.model_name == "cifar_resnet56 ceag"
    for one in read.data.eval_results:
        assert (one.task_type, one.task_name) == ("image-classification", "predict age")
        assert (one.dataset_type, one.dataset_name, one.dataset_split) == ("utkface-64", "UTKFace 64", "test")
        assert one.dataset_args == {"groups": "region", "examples": 2000}


def test_the_card_follows_the_front_matter_as_it_is_elsewhere(hub):
    read = hub.card(hugging_face_card(facts(), judged()))
    assert read.text.strip() == markdown_card(facts(), judged()).strip()
    again = hub.card(str(read))
    assert again.data.to_dict() == read.data.to_dict()


@pytest.mark.parametrize("name", [*NAMES, "x\n---\ny", "---", ": {", "null", "2024", "a\u2028b\u0085\x00"])
def test_no_name_breaks_the_front_matter(hub, name):
    told = facts(model=name, method=name, dataset=name, target=name, split=name, languages=["de", name])
    names = [f"{name}{at}" for at in range(5)]
    page = hugging_face_card(told, judged(names=names))
    read = hub.card(page)
    (one, *_) = read.data.eval_results
    assert read.data.model_name == f"{one_line(name)} {one_line(name)}"
    assert (one.dataset_name, one.dataset_split) == (one_line(name), one_line(name))
    assert read.data.language == ["de", one_line(name)]
    assert metrics(read)["max_psi"].metric_args["worst_group"] == one_line(names[-1])
    assert read.text.strip().startswith("# ")


def test_front_matter_has_the_keys_of_the_specification_and_strings_where_it_wants_strings():
    page = hugging_face_card(facts(license="mit", languages=["en"], dataset="2024"), judged())
    head = yaml.safe_load(page.split("---\n")[1])
    assert list(head) == ["license", "language", "pipeline_tag", "tags", "metrics", "model-index"]
    assert (head["license"], head["language"]) == ("mit", ["en"])
    ((index,), allowed) = (head["model-index"], {"type", "name", "config", "split", "revision", "args"})
    assert set(index) == {"name", "results"}
    (result,) = index["results"]
    assert set(result) == {"task", "dataset", "metrics"}
    assert set(result["task"]) <= {"type", "name"}
    assert set(result["dataset"]) <= allowed
    strings = {key: value for key, value in result["dataset"].items() if key != "args"} | result["task"]
    assert all(isinstance(value, str) for value in strings.values())
    for one in result["metrics"]:
        assert set(one) == {"type", "value", "name", "args"}
        assert isinstance(one["value"], float)


def test_aliases_are_not_used_and_what_is_not_told_is_left_out():
    page = hugging_face_card(facts(), judged())
    front = page.split("---\n")[1]
    assert "&id" not in front
    assert "license" not in front
    assert "language" not in front


def test_a_benchmarks_file_is_read_by_the_hubs_own_parser_and_its_notes_hold_the_gap_with_limits(hub):
    one = judged()
    raw = yaml.safe_load(hugging_face_results(facts(), one, dataset_id="o/bench", task_id="age", date="2026-11-30"))
    (entry,) = hub.results(raw)
    assert (entry.dataset_id, entry.task_id, entry.date) == ("o/bench", "age", "2026-11-30")
    assert entry.value == pytest.approx(one.accuracy_after, abs=1e-6)
    low, high = f"{100 * one.max_psi.low:+.2f}", f"{100 * one.max_psi.high:+.2f}"
    assert entry.notes == (
        f"split test; excess accuracy gap of the worst group by region: {100 * one.max_psi.value:+.2f} points "
        f"(at least {low}, at most {high}); undecidable at a tolerance of 5 points"
    )
    undated = yaml.safe_load(hugging_face_results(facts(), one, dataset_id="o/bench", task_id="age"))
    assert "date" not in undated[0]
