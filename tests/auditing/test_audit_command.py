"""Truth: tables written here, whose counts are known, and the exit status that a shell sees."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from auditing.rows import FINE, HURT, OPEN, SMALL, USUAL, Run, Write, table

import prunegap
from prunegap.auditing import Rules, audit, read_predictions
from prunegap.errors import UserError


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
    assert audit(read, ["who"], Rules(tolerance=0.02)).verdict == "inadmissible"


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


def test_small_groups_are_merged_or_left_out_only_where_that_is_asked_for_and_said(run: Run, write: Write) -> None:
    rows = table({"a": (3000, 60, 60), "b": (3000, 60, 60), "c": (10, 3, 0), "d": (7, 0, 2)})
    path = write("p.csv", rows)
    assert "in 4 groups" in run(path, *USUAL).out
    merged = run(path, *USUAL, "--merge-below", "50").out
    assert "in 3 groups" in merged
    assert "2 groups of fewer than 50 examples are judged as one, (others): c, d" in merged
    left = run(path, *USUAL, "--leave-out", "c", "--leave-out", "d")
    assert (left.code, "the group c (10 examples) is left out" in left.out) == (0, True)


def changed(**columns: Any) -> dict[str, list[Any]]:
    return {**table(SMALL), **columns}


WRONG = {
    "a column that is not there": (table(SMALL), ("--group", "whom"), "no column 'whom'; did you mean 'who'?"),
    "alpha of 1": (table(SMALL), ("--alpha", "1"), "alpha must be inside (0, 1), got 1.0"),
    "alpha of 0": (table(SMALL), ("--alpha", "0"), "alpha must be inside (0, 1), got 0.0"),
    "a negative tolerance": (table(SMALL), ("--tolerance", "-0.1"), "tolerance must be >= 0, got -0.1"),
    "one group": (table({"a": (9, 1, 1)}), (), "an excess gap needs two groups or more, got 1"),
    "a group that is none": (table(SMALL), ("--leave-out", "z"), "who: leave out z: no such group"),
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


def test_arrays_in_python_get_the_same_verdict_as_a_table(write: Write) -> None:
    rows = table(HURT)
    read = read_predictions(write("p.csv", rows), label="y", before="dense", after="sparse", groups=["who"])
    given: dict[str, Any] = {"before": rows["dense"], "after": rows["sparse"], "groups": {"who": rows["who"]}}
    found = prunegap.audit(label=rows["y"], tolerance=0.02, **given)
    assert found.groups == audit(read, ["who"], Rules(tolerance=0.02)).groups
    right: dict[str, Any] = {"before": read.before, "after": read.after.astype(int), "groups": {"who": rows["who"]}}
    assert prunegap.audit(tolerance=0.02, **right).groups == found.groups
    with pytest.raises(UserError, match="without label, before must say 1"):
        prunegap.audit(tolerance=0.02, **given)
    with pytest.raises(UserError, match="all columns must have one shape"):
        prunegap.audit(label=rows["y"][1:], tolerance=0.02, **given)
    given["groups"] = {}
    with pytest.raises(UserError, match="at least one attribute"):
        prunegap.audit(label=rows["y"], tolerance=0.02, **given)
    with pytest.raises(AttributeError, match="no attribute 'audits'"):
        _ = getattr(prunegap, "audits")  # noqa: B009


def test_a_group_is_within_where_its_own_limit_is(write: Write) -> None:
    read = read_predictions(write("p.csv", table(SMALL)), label="y", before="dense", after="sparse", groups=["who"])
    alone = {one.name: one.at_most for one in audit(read, ["who"], Rules(tolerance=0.02)).groups}
    for name, limit in alone.items():
        assert limit is not None
        for tolerance, finding in ((limit + 1e-9, "within"), (limit - 1e-9, "open")):
            judged = audit(read, ["who"], Rules(tolerance=max(tolerance, 0.0))).groups
            assert next(one for one in judged if one.name == name).finding == finding


def test_models_that_are_not_ours(run: Run) -> None:
    """Two forests of scikit-learn on digits: the small one is worst at eights, whoever wrote them."""
    path = Path(__file__).resolve().parents[2] / "experiments/digits_predictions.csv"
    usual = (path, "--label", "digit", "--before", "large", "--after", "small")
    by_digit = run(*usual, "--group", "digit", "--tolerance", "0.05")
    assert (by_digit.code, by_digit.out.splitlines()[0].rpartition(": ")[2]) == (1, "8")
    assert run(*usual, "--group", "strokes", "--tolerance", "0.05").code == 3
    assert run(*usual, "--group", "strokes", "--tolerance", "0.1").code == 0


def test_the_table_of_groups_is_read_as_it_stands(run: Run, write: Write) -> None:
    path = write("p.csv", table(HURT))
    lines = run(path, *USUAL).out.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("group "))
    worst, other = lines[head + 2 : head + 4]
    judged = {one.name: one for one in audit(read_predictions(path, label="y", before="dense", after="sparse",
              groups=["who"]), ["who"], Rules(tolerance=0.02)).groups}  # fmt: skip
    for line, name, accuracies, found in (
        (worst, "b", ["100", "80"], "above the tolerance"),
        (other, "a", ["98", "98"], "within the tolerance"),
    ):
        psi, alone = judged[name].excess_gap, judged[name].at_most
        value, low, high, most = (f"{100 * (one or 0.0):+.2f}" for one in (psi.value, psi.low, psi.high, alone))
        limits = [value, f"[{low},", f"{high}]", most]
        assert line.split() == [name, str(judged[name].examples), *accuracies, *limits, *found.split()]
    # Values stand below their headings.
    assert lines[head].index("before %") + len("before %") == worst.index(" 100 ") + 4
    assert lines[head + 1].index("at most") + len("at most") == worst.index("above") - 2
