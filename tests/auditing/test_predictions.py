"""Truth: tables written here, in every form that predictions come in, right and wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from auditing.rows import FINE, HURT, SMALL, USUAL, Run, Write, table

from prunegap.auditing import read_predictions


def test_correctness_scores_and_numbers_are_taken_as_predictions_are(write: Write) -> None:
    rows = table(HURT)
    of = ["dog", "cat", "ant"]
    scored = {"y": rows["y"], "who": rows["who"]}
    for model in ("dense", "sparse"):
        for one in of:
            scored[f"{model}_{one}"] = [0.9 if said == one else 0.05 for said in rows[model]]
    right = {"who": rows["who"]}
    for model in ("dense", "sparse"):
        right[model] = [int(said == truth) for said, truth in zip(rows[model], rows["y"], strict=True)]
    numbers = {"who": rows["who"], "y": [float(of.index(one)) for one in rows["y"]]}
    for model in ("dense", "sparse"):
        numbers[model] = [of.index(one) for one in rows[model]]
    names: dict[str, Any] = {"before": "dense", "after": "sparse", "groups": ["who"]}
    first = read_predictions(write("p.csv", rows), label="y", **names)
    for other in (
        read_predictions(write("scores.parquet", scored), label="y", **names),
        read_predictions(write("right.csv", right), **names),
        read_predictions(write("numbers.csv", numbers), label="y", **names),
    ):
        assert (first.before == other.before).all()
        assert (first.after == other.after).all()


def test_two_files_are_joined_by_id_in_whatever_order(write: Write) -> None:
    rows = table(HURT)
    order = np.random.default_rng(0).permutation(len(rows["id"]))
    first = {name: rows[name] for name in ("id", "y", "dense", "who")}
    second = {name: [rows[name][at] for at in order] for name in ("id", "sparse")}
    names: dict[str, Any] = {"before": "dense", "after": "sparse", "groups": ["who"], "label": "y"}
    alone = read_predictions(write("one.csv", rows), **names)
    joined = read_predictions(write("a.csv", first), other=write("b.parquet", second), identifier="id", **names)
    assert (alone.after == joined.after).all()
    assert set(joined.files) == {"a.csv", "b.parquet"}


def test_examples_without_a_group_are_one_and_that_is_said(run: Run, write: Write) -> None:
    rows = table(FINE)
    rows["who"][:5] = [""] * 5
    assert "5 examples without a value of who are the group (missing)" in run(write("p.csv", rows), *USUAL).out


def test_correctness_that_is_none_scores_that_are_none_and_classes_without_scores_are_refused(
    run: Run, write: Write
) -> None:
    without = ("--before", "dense", "--after", "sparse", "--group", "who", "--tolerance", "0.02")
    ended = run(write("p.csv", table(SMALL)), *without)
    assert (ended.code, "'dense' must say 1 (right) or 0 (wrong), found 'ant'" in ended.err) == (2, True)
    scores = {
        "y": ["cat", "dog"],
        "who": ["a", "b"],
        "dense_cat": [0.1, "x"],
        "dense_dog": [0.9, 0.2],
        "sparse": ["cat", "dog"],
    }
    ended = run(write("s.csv", scores), *USUAL)
    assert "the column 'dense_cat' holds no scores: not every value is a number" in ended.err
    ended = run(write("n.csv", scores | {"dense_cat": [0.1, "nan"]}), *USUAL)
    assert "row 2: a score of 'dense' is not finite" in ended.err
    ended = run(write("c.csv", scores | {"y": ["cat", "cow"], "dense_cat": [0.1, 0.2]}), *USUAL)
    assert "the class 'cow' has no column of scores 'dense_cow'" in ended.err


def test_ids_twice_other_examples_and_no_id_are_refused(run: Run, write: Write) -> None:
    rows = table(SMALL)
    first, second = {k: rows[k] for k in ("id", "y", "dense", "who")}, {k: rows[k] for k in ("id", "sparse")}
    a = write("a.csv", first)
    ended = run(a, *USUAL, "--with", write("b.csv", second))
    assert "say with --id which column of both files names an example" in ended.err
    twice = {**second, "id": [*second["id"][:-1], second["id"][0]]}
    ended = run(a, *USUAL, "--with", write("t.csv", twice), "--id", "id")
    assert "the id 'a0' is there more than once in the column 'id'" in ended.err
    others = {**second, "id": [*second["id"][:-1], "zz"]}
    ended = run(a, *USUAL, "--with", write("o.csv", others), "--id", "id")
    assert (ended.code, "the two models must have seen the same examples" in ended.err) == (2, True)
    fewer = {name: values[:-1] for name, values in second.items()}
    ended = run(a, *USUAL, "--with", write("f.csv", fewer), "--id", "id")
    assert (ended.code, "the two models must have seen the same examples" in ended.err) == (2, True)


def test_files_that_are_no_tables_are_refused(run: Run, tmp_path: Path) -> None:
    for name, content, said in (
        ("t.txt", b"a,b\n", "a table is a .csv or .parquet file, got '.txt'"),
        ("e.csv", b"", "an empty table; it needs a header line and rows"),
        ("d.csv", b"y,y\n1,2\n", "the column 'y' is there twice"),
        (
            "r.csv",
            b"y,dense,sparse,who\n1,1,1,a\n1,1\n",
            "1 rows do not fit the header: '1,1' has 2 fields, the header 4",
        ),
        ("l.csv", b"y,dense\n\xff\xfe,1\n", "not a CSV file in UTF-8"),
        ("p.parquet", b"nothing", "not a Parquet file"),
    ):
        (tmp_path / name).write_bytes(content)
        ended = run(name, *USUAL)
        assert (ended.code, said in ended.err) == (2, True), ended.err
    ended = run("nowhere.csv", *USUAL)
    assert (ended.code, ended.err) == (
        2,
        "error: nowhere.csv: no such file; name an existing file or an s3:// address\n",
    )


def test_a_spreadsheets_mark_spaces_and_quotes_do_not_matter(tmp_path: Path) -> None:
    text = '\ufeffy, dense ,sparse,who\n"cat",cat,"cat","a, b"\ncat, dog,cat,c\n'
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    read = read_predictions(tmp_path / "s.csv", label="y", before="dense", after="sparse", groups=["who"])
    assert (read.before.tolist(), read.after.tolist(), read.names["who"]) == (
        [True, False],
        [True, True],
        ["a, b", "c"],
    )


def test_a_table_in_an_object_store_is_read(run: Run, write: Write, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="predictions")
    client.upload_file(str(write("p.csv", table(HURT))), "predictions", "june/p.csv")
    for name, value in {"AWS_ENDPOINT_URL_S3": s3, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    for name, value in keys.items():
        monkeypatch.setenv(name.upper(), value)
    ended = run("s3://predictions/june/p.csv", *USUAL)
    assert (ended.code, ended.err) == (1, "")
    ended = run("s3://predictions/june/q.csv", *USUAL)
    assert (ended.code, ended.err.startswith("error: s3://predictions/june/q.csv: ")) == (2, True)
