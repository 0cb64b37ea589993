"""A table that a run in MLflow has. Truth: MLflow's own ``log_table`` on a real server, and the same rows as a file."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
from auditing.rows import HURT, USUAL, Write, table

from prunegap.auditing import Rules, audit, read_predictions
from prunegap.errors import UserError


def audited(server: str, *words: object) -> SimpleNamespace:
    environment = os.environ | {"MLFLOW_TRACKING_URI": server}
    command = [sys.executable, "-m", "prunegap", "audit", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return SimpleNamespace(code=ended.returncode, out=ended.stdout, err=ended.stderr)


@pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")  # MLflow 3.17 under pandas 3
@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_table_logged_to_a_run_is_judged_as_the_same_rows_in_a_file_are(
    server: SimpleNamespace, write: Write, suffix: str
) -> None:
    rows = table(HURT)
    client = mlflow.MlflowClient(tracking_uri=server.uri)
    run_id = client.create_run(client.create_experiment(f"audit-{uuid.uuid4()}")).info.run_id
    client.log_table(run_id, pd.DataFrame(rows), f"eval/predictions.{suffix}")
    ended = audited(server.uri, f"runs:/{run_id}/eval/predictions.{suffix}", *USUAL)
    plain = audited(server.uri, write("p.csv", rows), *USUAL)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out == plain.out
    gone = audited(server.uri, f"runs:/{run_id}/nothing.json", *USUAL)
    assert (gone.code, gone.err.count("\n"), f"runs:/{run_id}/nothing.json: MLflow at" in gone.err) == (2, 1, True)


def test_an_address_without_a_file_or_a_server_is_refused(server: SimpleNamespace) -> None:
    ended = audited(server.uri, "runs:/abc", *USUAL)
    assert (ended.code, "must be runs:/RUN_ID/path" in ended.err) == (2, True)
    ended = audited("", "runs:/abc/x.json", *USUAL)
    assert (ended.code, "set MLFLOW_TRACKING_URI" in ended.err) == (2, True)


def test_numbers_and_nothing_in_a_logged_table_are_read_as_in_any_other(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    data = [[1, 1, 0, "a"], [0, 1, 1, None], [1, 0, 1, "b"]]
    path.write_text(json.dumps({"columns": ["y", "dense", "sparse", "who"], "data": data}))
    read = read_predictions(path, label="y", before="dense", after="sparse", groups=["who"])
    assert (read.before.tolist(), read.after.tolist()) == ([True, False, False], [False, False, True])
    groups = {one.name: one.examples for one in audit(read, ["who"], Rules(tolerance=0.1)).groups}
    assert groups == {"a": 1, "b": 1, "(missing)": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": ["a"]}',
        "[1, 2]",
        "{",
        '{"columns": ["a", "b"], "data": [[1], [2]]}',
        '{"columns": ["a"], "data": [[1], [2, 3]]}',
    ],
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UserError, match=r"not a table as mlflow\.log_table writes it"):
        read_predictions(tmp_path / "t.json", before="a", after="b", groups=["c"])
