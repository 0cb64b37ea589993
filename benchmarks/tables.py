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


def main() -> None:
    for name in sys.argv[1:]:
        result = json.loads(Path(name).read_text(encoding="utf-8"))
        print(step_cost_table(result) if result["measures"] == "step cost" else memory_table(result))


if __name__ == "__main__":
    main()
