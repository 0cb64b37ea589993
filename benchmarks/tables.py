"""The tables of the README, from the result files: ``python benchmarks/tables.py benchmarks/results/*.json``."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def step_cost_table(result: dict[str, Any]) -> str:
    """Return a row for each number of groups; ratios with their 95 % intervals."""
    head = ["groups", "bare, ms", "nft / bare", "ceag / nft", "el_rb / nft", "ceag's own code, ms", "of an nft step"]
    return table(head, [_step_cost_row(row) for row in result["results"]])


def _step_cost_row(row: dict[str, Any]) -> list[str]:
    ratios = [row["ratios"][name] for name in ("nft/bare", "ceag/nft", "el_rb/nft")]
    own = row["dual_step"]["ceag"]
    return [
        f"{row['groups']:,}",
        f"{row['step_ms']['bare']['median']:.0f}",
        *(f"{one['median']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in ratios),
        f"{own['ms']:.2f}",
        f"{100 * own['share_of_nft_step']:.3f} %",
    ]


def memory_table(result: dict[str, Any]) -> str:
    """Return a row for each case, held against the budget."""
    total = result["budget_mb"]["total"]
    rows = [
        [
            name,
            f"{case['peak_mb']:.1f}",
            f"{case['library_pages_mb']:.1f}",
            "-" if name == "one_batch" else f"{case['peak_mb'] - total:+.1f}",
        ]
        for name, case in result["cases"].items()
    ]
    return table(["case", "peak, MB", "of it program code", f"against the budget of {total:.1f}"], rows)


def artifact_memory_table(result: dict[str, Any]) -> str:
    """Return a row for each case: what the large artifact takes, and what the small one does."""
    large, small = result["megabytes"]["large"], result["megabytes"]["small"]
    head = ["case", f"anonymous, MB, for {large:,} MB", f"for {small} MB", "mapped files, MB", "largest process, MB"]
    rows = [
        [name, *(f"{value:.1f}" for value in _memory_row(sizes["large"], sizes["small"]))]
        for name, sizes in result["cases"].items()
    ]
    return table(head, rows)


def _memory_row(large: dict[str, float], small: dict[str, float]) -> list[float]:
    return [large["anonymous"], small["anonymous"], large["mapped"], large["largest"]]


APART = ("interpreter", "torch")
EXTRA = ("imports", "mlflow", "tracking", "hash", "read", "write", "seal")


def overhead_table(result: dict[str, Any]) -> str:
    """Return a row for each step as a process of its own, then the same steps in one process."""
    head = ["step", *APART, *EXTRA, "overhead, s", "own work, s"]
    parts = [("a process a step", result["processes"]), ("one process", result["one_process"])]
    return "\n\n".join(f"{way}\n\n{table(head, map(_overhead_row, steps.items()))}" for way, steps in parts)


def _overhead_row(step: tuple[str, dict[str, float]]) -> list[str]:
    name, spent = step
    extra = sum(spent.get(part, 0.0) for part in EXTRA)
    columns = [spent.get(part, 0.0) for part in (*APART, *EXTRA)]
    return [name, *(f"{value:.2f}" for value in (*columns, extra, spent.get("own", 0.0)))]


def selection_table(result: dict[str, Any]) -> str:
    """Return a row for each layer and share to keep."""
    head = ["layer", "weights", "groups", "kept", "select, s", "one at a time, s", "ratio"]
    return table(head, [_selection_row(row) for row in result["results"]])


def _selection_row(row: dict[str, Any]) -> list[str]:
    return [
        row["where"],
        f"{row['weights']:,}",
        str(row["groups"]),
        f"{row['keep']:.0%}",
        f"{row['select_s']:.2f}",
        f"{row['one_at_a_time_s']:.1f}",
        f"{row['ratio']:.1f}",
    ]


TABLES = {
    "step cost": step_cost_table,
    "memory": memory_table,
    "artifact memory": artifact_memory_table,
    "overhead": overhead_table,
    "fairgrape selection": selection_table,
}


def main() -> None:
    """Print the results of the files that are named, as Markdown tables."""
    for name in sys.argv[1:]:
        result = json.loads(Path(name).read_text(encoding="utf-8"))
        print(TABLES[result["measures"]](result))


if __name__ == "__main__":
    main()
