"""Truth: the spool file itself, read as plain JSON lines, and what was logged."""

import json
import math

import pytest

from prunegap.tracking.delivery import batches
from prunegap.tracking.records import End, Metrics, append, read
from prunegap.tracking.spool import SpooledTracker


def lines(spool):
    return [json.loads(line) for line in spool.read_text().splitlines()]


def test_without_a_server_every_call_is_in_the_spool_as_soon_as_it_returns(tmp_path, sparse_model, dataset):
    spool = tmp_path / "step" / "tracking.jsonl"
    tracker = SpooledTracker(spool, None)
    tracker.begin("prune", {"sparsity": 0.9}, {"prunegap.seed": "0"})
    assert lines(spool)[0]["parameters"] == {"sparsity": "0.9"}
    tracker.log_metrics({"excess_gap/South Asian": 0.25}, 3)
    assert lines(spool)[1]["metrics"] == {"excess_gap/South Asian": 0.25}
    assert lines(spool)[1]["step"] == 3
    tracker.log_input(dataset(tmp_path / "dataset"), "dataset")
    tracker.log_model(sparse_model(tmp_path / "step" / "model"), "model", {"accuracy": 0.5})
    tracker.end("FINISHED")
    assert [line["call"] for line in lines(spool)] == ["begin", "metrics", "input", "model", "end"]
    assert lines(spool)[3]["path"] == "model"


def test_a_step_that_runs_again_records_only_what_it_had_not_said(tmp_path, sparse_model, dataset):
    spool = tmp_path / "tracking.jsonl"
    model, data = sparse_model(tmp_path / "model"), dataset(tmp_path / "dataset")
    for accuracy in (0.5, 0.5, 0.75):
        tracker = SpooledTracker(spool, None)
        tracker.log_metrics({"a": accuracy, "b": 1.0, "c": math.nan}, 1)
        tracker.log_input(data, "dataset")
        tracker.log_model(model, "model", {"a": 0.5})
    said = [line["metrics"] for line in lines(spool) if line["call"] == "metrics"]
    assert said[0]["a"] == 0.5
    assert said[1:] == [{"a": 0.75}]
    assert [line["call"] for line in lines(spool)].count("input") == 1
    assert [line["call"] for line in lines(spool)].count("model") == 1


def test_a_line_torn_by_a_crash_is_cut_and_the_rest_kept(tmp_path):
    spool = tmp_path / "tracking.jsonl"
    SpooledTracker(spool, None).log_metrics({"a": 1.0}, 0)
    with spool.open("ab") as file:
        file.write(b'{"call": "metrics", "metr')
    assert len(list(read(spool))) == 1
    SpooledTracker(spool, None).log_metrics({"a": 2.0}, 1)
    assert [line["metrics"] for line in lines(spool)] == [{"a": 1.0}, {"a": 2.0}]


def test_what_lies_in_a_staging_folder_is_recorded_at_the_end_under_its_final_path(tmp_path, sparse_model, seal_model):
    spool = tmp_path / "tracking.jsonl"
    tracker = SpooledTracker(spool, None)
    model = sparse_model(tmp_path / "model", finish=False)
    tracker.log_model(tmp_path / "model.partial", "model", {})
    tracker.log_artifact(tmp_path / "model.partial" / "weights.safetensors", "weights.safetensors")
    seal_model(model)
    tracker.end("FINISHED")
    assert [line.get("path") for line in lines(spool)] == ["model", "model/weights.safetensors", None]
    assert len(lines(spool)[0]["digest"]) == 64


def test_a_failed_step_records_nothing_of_its_staging_folder(tmp_path, sparse_model):
    spool = tmp_path / "tracking.jsonl"
    tracker = SpooledTracker(spool, None)
    sparse_model(tmp_path / "model")
    tracker.log_model(tmp_path / "model.partial", "model", {})
    tracker.end("FAILED")
    assert [line["call"] for line in lines(spool)] == ["end"]


def test_a_spool_that_cannot_be_written_costs_one_warning_and_not_the_step(tmp_path):
    said = []
    (tmp_path / "step").write_text("a file where the folder should be")
    tracker = SpooledTracker(tmp_path / "step" / "tracking.jsonl", None, warn=said.append)
    tracker.log_metrics({"a": 1.0})
    tracker.log_metrics({"a": 2.0}, 1)
    tracker.end("FINISHED")
    assert len(said) == 1
    assert "cannot be written" in said[0]


def test_an_input_without_a_manifest_is_a_warning_that_names_it(tmp_path):
    said = []
    SpooledTracker(tmp_path / "tracking.jsonl", None, warn=said.append).log_input(tmp_path / "nothing", "dataset")
    assert len(said) == 1
    assert str(tmp_path / "nothing") in said[0]


@pytest.mark.parametrize("sizes", [[60] * 40, [1000, 1], [999, 2, 5], [1]])
def test_a_batch_holds_at_most_a_thousand_metrics_and_none_is_lost(tmp_path, sizes):
    spool = tmp_path / "tracking.jsonl"
    for step, size in enumerate(sizes):
        append(spool, Metrics({f"m{i}": 0.0 for i in range(size)}, step))
    append(spool, End("FINISHED"))
    found = list(batches(spool, 0))
    sent = [[record for record in batch if isinstance(record, Metrics)] for batch, _ in found[:-1]]
    assert [record.step for batch in sent for record in batch] == list(range(len(sizes)))
    assert all(sum(len(record.metrics) for record in batch) <= 1000 for batch in sent)
    assert isinstance(found[-1][0][0], End)
    assert found[-1][1] == spool.stat().st_size


def test_more_than_a_thousand_metrics_at_once_are_split(tmp_path):
    spool = tmp_path / "tracking.jsonl"
    SpooledTracker(spool, None).log_metrics({f"m{i}": 0.0 for i in range(2500)})
    assert [len(line["metrics"]) for line in lines(spool)] == [1000, 1000, 500]
