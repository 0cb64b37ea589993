"""Truth: the page itself, docs/handing_on.md: its examples run, and a server holds the metrics that it names."""

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # MLflow's own, under pandas 3
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer"),
]


def test_every_example_of_the_page_on_handing_an_audit_on_runs_in_its_order(on_server, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "handing_on.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    for block in blocks:
        exec(block, known)
    assert len(blocks) == 3
    assert (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8").startswith("# forest, small\n\n**Admissible** at")
    assert (tmp_path / "README.md").read_text(encoding="utf-8").startswith("---\nlicense: apache-2.0\n")
    assert {one["clause"] for one in known["told"]["entries"]} >= {"Article 15(3)", "MEASURE 2.11"}
    (run,) = on_server().runs()
    assert run.data.metrics["excess_gap/admissible"] == 1
    told = {name: value for name, value in run.data.metrics.items() if name.startswith("excess_gap/")}
    for name in sorted(re.findall(r"`excess_gap/([a-z_]+)`", page)):
        assert f"excess_gap/{name}" in told
