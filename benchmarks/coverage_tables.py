"""The tables of ``docs/method/uncertainty.md`` from the results: ``python benchmarks/coverage_tables.py``."""

import csv
from collections.abc import Mapping
from pathlib import Path

from tables import table

FOLDER = Path(__file__).parent / "results/coverage"
LIMITS = {
    "setting": "setting",
    "coverage": "held together",
    "half_width_over_ideal": "width over ideal",
    "max_psi_upper": "max psi at most",
    "max_psi_lower": "at least",
    "psi_pw_upper": "Psi_PW at most",
    "psi_pw_lower": "at least",
    "wrongly_admitted": "wrongly admitted",
}
RIVALS = {
    "setting": "setting",
    "coverage": "ours",
    "wald": "Wald, Bonferroni",
    "bootstrap_bonferroni": "bootstrap, Bonferroni",
    "bootstrap": "bootstrap, 95 % a group",
    "bootstrap_a_group": "that, a group",
}
SEEDS = {
    "setting": "setting",
    "seeds": "seeds",
    "seed_over_image_variance": "seed over image variance",
    "correlation": "correlation",
    "coverage": "held together",
    "half_width_over_ideal": "width over ideal",
    "by_examples": "by examples",
    "by_examples_half_width_over_ideal": "width over ideal",
    "images_alone": "images alone",
    "seeds_alone": "seeds alone",
}
AS_THEY_ARE = {"setting", "seeds", "seed_over_image_variance", "correlation"}


def table_of(name: str, columns: Mapping[str, str]) -> str:
    """Return some columns of a result file as a Markdown table, shares and widths to three decimals."""
    with (FOLDER / name).open(encoding="utf-8") as file:
        rows = [[_cell(column, row[column]) for column in columns] for row in csv.DictReader(file)]
    return table(list(columns.values()), rows)


def _cell(column: str, value: str) -> str:
    return value if column in AS_THEY_ARE else f"{float(value):.3f}" if value else "-"


if __name__ == "__main__":
    print(table_of("limits.csv", LIMITS), table_of("limits.csv", RIVALS), table_of("seeds.csv", SEEDS), sep="\n\n")
