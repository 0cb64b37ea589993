"""Truth: tables written here, whose counts are known, and the exit status that a shell sees."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunegap.auditing import audit, read_predictions

Write = Callable[..., Path]
Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*words: object) -> SimpleNamespace:
        command = [sys.executable, "-m", "prunegap", "audit", *map(str, words)]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return SimpleNamespace(code=ended.returncode, out=ended.stdout, err=ended.stderr)

    return call


def table(sizes: Mapping[str, tuple[int, int, int]]) -> dict[str, list[Any]]:
    """Rows of groups of so many examples, of which some are lost and some gained; the other predictions are right."""
    rows: dict[str, list[Any]] = {"id": [], "y": [], "dense": [], "sparse": [], "who": []}
    for name, (examples, lost, gained) in sizes.items():
        for at in range(examples):
            truth = "cat" if at % 2 else "dog"
            rows["id"].append(f"{name}{at}")
            rows["y"].append(truth)
            rows["dense"].append("ant" if lost <= at < lost + gained else truth)
            rows["sparse"].append("ant" if at < lost else truth)
            rows["who"].append(name)
    return rows


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(name: str, rows: Mapping[str, Sequence[Any]]) -> Path:
        path = tmp_path / name
        if path.suffix == ".parquet":
            pq.write_table(pa.table({key: list(values) for key, values in rows.items()}), path)
        else:
            lines = [",".join(rows), *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return to


OPEN = "no group is shown to be above it, and not shown to be within"
FINE = {"a": (3000, 60, 60), "b": (3000, 60, 60)}
HURT = {"a": (3000, 60, 60), "b": (300, 60, 0)}
SMALL = {"a": (3000, 60, 60), "b": (30, 1, 1)}
USUAL = ("--label", "y", "--before", "dense", "--after", "sparse", "--group", "who", "--tolerance", "0.02")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (FINE, (0, "ADMISSIBLE at a tolerance of 2 points: every group is shown to be within it")),
        (HURT, (1, "INADMISSIBLE at a tolerance of 2 points: shown to be above it: b")),
        (SMALL, (3, f"UNDECIDABLE at a tolerance of 2 points: {OPEN}: b")),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_each_verdict_has_its_word_its_reason_and_its_exit_status(
    run: Run, write: Write, sizes: Mapping[str, tuple[int, int, int]], expected: tuple[int, str], suffix: str
) -> None:
    ended = run(write(f"p.{suffix}", table(sizes)), *USUAL)
    assert (ended.code, ended.out.splitlines()[0], ended.err) == (*expected, "")


def test_the_json_file_has_every_count_and_limit(run: Run, write: Write, tmp_path: Path) -> None:
    path = write("p.csv", table(HURT))
    run(path, *USUAL, "--json", "audit.json")
    told = json.loads((tmp_path / "audit.json").read_text())
    worst, other = told["groups"]
    assert (told["schema_version"], told["verdict"], told["grouping"], told["examples"]) == (
        1,
        "inadmissible",
        "who",
        3300,
    )
    assert (worst["name"], worst["examples"], worst["lost"], worst["gained"]) == ("b", 300, 60, 0)
    assert (worst["accuracy_before"], worst["accuracy_after"], worst["finding"]) == (1.0, 0.8, "above")
    assert worst["excess_gap"]["value"] == pytest.approx(0.2 - 60 / 3300)
    assert worst["excess_gap"]["low"] < worst["excess_gap"]["value"] < worst["excess_gap"]["high"]
    assert (other["accuracy_before"], other["accuracy_after"]) == (0.98, 0.98)
    assert list(told["files"]) == ["p.csv"]
    assert told["max_psi"]["value"] == worst["excess_gap"]["value"] > told["noise_floor_max_psi"]["high"]


def test_python_gets_the_same(write: Write) -> None:
    read = read_predictions(write("p.csv", table(HURT)), label="y", before="dense", after="sparse", groups=["who"])
    assert audit(read, ["who"], tolerance=0.02).verdict == "inadmissible"


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


def test_several_attributes_are_an_intersection_or_judged_one_by_one(run: Run, write: Write) -> None:
    rows = table({"a": (4000, 40, 40), "b": (4000, 40, 40)})
    rows["sex"] = ["f" if at % 2 else "m" for at in range(8000)]
    path = write("p.csv", rows)
    both = run(path, *USUAL, "--group", "sex")
    assert "8000 examples in 4 groups by who / sex" in both.out
    assert {line.split("  ")[0] for line in both.out.splitlines() if " / " in line[:6]} == {
        "a / f",
        "a / m",
        "b / f",
        "b / m",
    }
    each = run(path, *USUAL, "--group", "sex", "--each-group")
    assert [line for line in each.out.splitlines() if " groups by " in line and "2 groups" in line]
    assert each.out.count("at a tolerance of 2 points") == 2
    hurt = table(HURT)
    hurt["sex"] = ["f" if at % 2 else "m" for at in range(3300)]
    assert run(write("hurt.csv", hurt), *USUAL, "--group", "sex", "--each-group").code == 1, "one at fault is enough"


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


def test_small_groups_are_merged_or_left_out_only_where_that_is_asked_for_and_said(run: Run, write: Write) -> None:
    rows = table({"a": (3000, 60, 60), "b": (3000, 60, 60), "c": (10, 3, 0), "d": (7, 0, 2)})
    path = write("p.csv", rows)
    assert "in 4 groups" in run(path, *USUAL).out
    merged = run(path, *USUAL, "--merge-below", "50").out
    assert "in 3 groups" in merged
    assert "2 groups of fewer than 50 examples are judged as one, (others): c, d" in merged
    left = run(path, *USUAL, "--leave-out", "c", "--leave-out", "d")
    assert (left.code, "the group c (10 examples) is left out" in left.out) == (0, True)


def test_examples_without_a_group_are_one_and_that_is_said(run: Run, write: Write) -> None:
    rows = table(FINE)
    rows["who"][:5] = [""] * 5
    assert "5 examples without a value of who are the group (missing)" in run(write("p.csv", rows), *USUAL).out


def changed(**columns: Any) -> dict[str, list[Any]]:
    return {**table(SMALL), **columns}


WRONG = {
    "a column that is not there": (table(SMALL), ("--group", "whom"), "no column 'whom'; did you mean 'who'?"),
    "alpha of 1": (table(SMALL), ("--alpha", "1"), "alpha must be inside (0, 1), got 1.0"),
    "alpha of 0": (table(SMALL), ("--alpha", "0"), "alpha must be inside (0, 1), got 0.0"),
    "a negative tolerance": (table(SMALL), ("--tolerance", "-0.1"), "tolerance must be >= 0, got -0.1"),
    "one group": (table({"a": (9, 1, 1)}), (), "an excess gap needs two groups or more, got 1"),
    "a group that is none": (table(SMALL), ("--leave-out", "z"), "no such group of who"),
    "no prediction": (
        changed(sparse=[""] * 3030),
        (),
        "3030 rows have no value in the column 'sparse', the first is row 1",
    ),
    "no rows": ({name: [] for name in table(SMALL)}, (), "an empty table; it needs a row an example"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_judged_is_refused_in_one_line_with_status_2(run: Run, write: Write, case: str) -> None:
    rows, more, said = WRONG[case]
    ended = run(write("p.csv", rows), *USUAL, *more)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("error: ")
    assert said in ended.err


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
    assert (ended.code, ended.err) == (2, "error: nowhere.csv: cannot be read (No such file or directory)\n")


def test_a_spreadsheets_mark_spaces_and_quotes_do_not_matter(tmp_path: Path) -> None:
    text = '\ufeffy, dense ,sparse,who\n"cat",cat,"cat","a, b"\ncat, dog,cat,c\n'
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    read = read_predictions(tmp_path / "s.csv", label="y", before="dense", after="sparse", groups=["who"])
    assert (read.before.tolist(), read.after.tolist(), read.names["who"]) == (
        [True, False],
        [True, True],
        ["a, b", "c"],
    )
