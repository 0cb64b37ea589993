"""Every figure of the README's results is a committed one. Truth: benchmarks/results, and the experiment files.

The sentences and the table are written anew from the results and must stand in the README word for word; what is left
of its passages about results may hold no figure.
"""

import csv
import json
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from prunegap.artifacts.evaluation import load_evaluations
from prunegap.artifacts.verdict import Verdict
from prunegap.report.groups import write_group_results_csv
from prunegap.report.summary import summarise, write_comparison_csv

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = {"nft": "NFT", "nft_es": "NFT+ES", "el_rb": "EL+RB", "ceag": "CEAG"}
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def by_method(path: Path) -> dict[str, Row]:
    return {row["method"]: row for row in read(path)}


def unrounded(folder: Path) -> dict[str, Row]:
    """The comparison with every digit of its disparities: what is rounded twice may end a digit off."""
    rows = by_method(folder / "comparison.csv")
    for one in summarise(load_evaluations(folder)):
        for split, figures in one.splits.items():
            exact = figures["max_psi"]
            rows[one.shown_name][f"{split}_max_psi"] = repr(100 * exact.mean)
            rows[one.shown_name][f"{split}_psi_pw"] = repr(100 * figures["psi_pw"].mean)
            rows[one.shown_name][f"{split}_max_psi_sd"] = repr(100 * (exact.sd or 0))
            for name in ("max_psi", "psi_pw", "max_psi_by_chance"):
                for end in ("low", "high"):
                    limit = getattr(figures[name], end) if name in figures else None
                    rows[one.shown_name][f"{split}_{name}_{end}"] = "" if limit is None else repr(100 * limit)
            rows[one.shown_name][f"{split}_max_psi_by_chance"] = repr(100 * figures["max_psi_by_chance"].mean)
    return rows


DIGITS, FACES, LESIONS, CIFAR = (unrounded(RESULTS / name) for name in ("digits", "utkface64", "ham10000", "cifar100"))
PUBLISHED = by_method(RESULTS / "published.csv")


def rounded(value: str, decimals: int) -> str:
    return str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def figure(row: Row, name: str, decimals: int = 1) -> str:
    mean, sd = row[name], row[f"{name}_sd"]
    return rounded(mean, decimals) + (f" ± {rounded(sd, decimals)}" if sd else "")


def with_methods(rows: dict[str, Row], name: str, decimals: int) -> str:
    *first, last = [f"{figure(row, name, decimals)} with {NAMES[method]}" for method, row in rows.items()]
    return f"{', '.join(first)} and {last}"


def group_sizes(experiment: str, split: str | None = None) -> list[int]:
    rows = read(RESULTS / experiment / "group_results.csv")
    sizes = {(row["split"], row["group_name"]): int(row["count"]) for row in rows if split in (None, row["split"])}
    return list(sizes.values())


def setting(experiment: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"experiments/{experiment}.yaml").read_text())


def within_limits(rows: dict[str, Row], name: str) -> str:
    ends = ("", "_low", "_high")
    told = {NAMES[method]: [rounded(row[name + end], 1) for end in ends] for method, row in rows.items()}
    *first, last = [f"{value} [{low}, {high}] with {method}" for method, (value, low, high) in told.items()]
    return f"{', '.join(first)} and {last}"


def verdicts(rows: dict[str, Row]) -> str:
    def told(word: str) -> str:
        of_method = {NAMES[method]: int(row[word]) for method, row in rows.items()}
        named = ", ".join(f"{method} {count}" for method, count in of_method.items() if count)
        return f"{sum(of_method.values()) or 'none'}" + (f" ({named})" if named else "")

    models = sum(int(row["seeds"]) for row in rows.values())
    undecided = sum(int(row["undecidable"]) for row in rows.values())
    return (
        f"Of {models} models the gate admits {told('admissible')} and refuses {told('inadmissible')}; "
        f"the images do not decide on {undecided}."
    )


def of_seeds(counts: list[str], seeds: str) -> str:
    of_method = {NAMES[method]: count for method, count in zip(LESIONS, counts, strict=True)}
    *first, last = [f"{count} of {seeds} {method}" for method, count in of_method.items()]
    return f"{', '.join(first)} and {last}"


def shown_to_differ(name: str, method: str) -> str:
    """Which groups a method is shown to hurt less or more than NFT does."""
    *first, last = shown(name, method)
    return f"{', '.join(first)} and {last}" if first else last


def shown(name: str, method: str) -> list[str]:
    told: list[str] = []
    for row in read(RESULTS / name / "method_differences.csv"):
        value, low, high = (Decimal(row[f"excess_gap_difference{end}"]) for end in ("", "_low", "_high"))
        if row["method"] == method and (low > 0 or high < 0):
            ends = sorted((abs(low), abs(high)))
            limits = ", ".join(rounded(str(end), 1) for end in ends)
            told.append(
                f"{row['group_name']} {rounded(str(abs(value)), 1)} points {'more' if low > 0 else 'less'} [{limits}]"
            )
    return told


def by_chance(rows: dict[str, Row]) -> str:
    floors = {rounded(row["test_max_psi_by_chance"], 1) for row in rows.values()}
    ends = dict.fromkeys((min(floors, key=Decimal), max(floors, key=Decimal)))
    return f"groups drawn at random come to {' to '.join(ends)}."


def digits_claims() -> list[str]:
    first, wanted, sizes = DIGITS["nft"], setting("digits"), group_sizes("digits", "test")
    assert (wanted["prepare_data"]["source"], wanted["dense_seeds"]) == ("digit_views", "per_seed")
    return [
        f"{first['sparsity_percent']} % sparsity, {first['seeds']} seeds with a dense model each, fine-tuned to a "
        f"tolerance of {first['tolerance_percent']} point and judged at {100 * wanted['gate']['tolerance']:g},",
        f"where a group has {min(sizes)} to {max(sizes):,} images, is, with limits over seeds and images, "
        f"{within_limits(DIGITS, 'test_max_psi')}; {by_chance(DIGITS)}",
        f"On the same images EL+RB is shown to hurt {shown_to_differ('digits', 'el_rb')} than NFT, and CEAG "
        f"{shown_to_differ('digits', 'ceag')}.",
        verdicts(DIGITS),
        f"Accuracy on test is {with_methods(DIGITS, 'test_accuracy', 1)}.",
    ]


def faces_claims() -> list[str]:
    first, experiment, paper = FACES["nft"], setting("utkface64"), setting("paper_utkface")
    assert experiment["dense_seeds"] == "per_seed"
    nft, ceag, published = (float(row["train_max_psi"]) for row in (first, FACES["ceag"], PUBLISHED["ceag"]))
    tolerance, sizes = float(first["tolerance_percent"]), group_sizes("utkface64", "test")
    size, paper_size = experiment["prepare_data"]["image_size"], paper["prepare_data"]["image_size"]
    epochs, paper_epochs = (one["prune"]["finetune_epochs"] for one in (experiment, paper))
    return [
        f"{first['sparsity_percent']} % sparsity, tolerance {tolerance:g} point, {first['seeds']} seeds with a dense "
        "model each;",
        f"({sum(group_sizes('utkface64')):,} faces at {size}×{size}, a small CNN, {epochs} epochs of fine-tuning;",
        f"MobileNetV2 at {paper_size}×{paper_size}, {PUBLISHED['nft']['sparsity_percent']} % sparsity, "
        f"{paper_epochs} epochs.",
        f"from {nft:.1f} to {ceag:.1f} points on train at the same accuracy, and misses its tolerance of {tolerance:g} "
        f"by {ceag - tolerance:.1f}, as the paper's does by {published - tolerance:.1f}.",
        f"On test, where a group has {min(sizes)} to {max(sizes):,} faces, {by_chance(FACES)}",
        verdicts(FACES),
        f"on the same faces CEAG is shown to hurt {shown_to_differ('utkface64', 'ceag')}.",
        f"EL+RB is shown to hurt {shown_to_differ('utkface64', 'el_rb')}.",
    ]


def faces_table() -> list[str]:
    lines: list[str] = []
    for method, row in FACES.items():
        limited = [
            f"{rounded(row[name], 1)} [{rounded(row[f'{name}_low'], 1)}, {rounded(row[f'{name}_high'], 1)}]"
            for name in ("test_max_psi", "test_psi_pw")
        ]
        shown = [
            figure(row, "train_accuracy"), figure(row, "train_max_psi"), figure(PUBLISHED[method], "train_max_psi"),
            figure(row, "test_accuracy"), limited[0], figure(PUBLISHED[method], "test_max_psi"), limited[1],
        ]  # fmt: skip
        lines.append(f"| `{method}` | {' | '.join(shown)} |")
    return lines


def lesions_claims() -> list[str]:
    first, experiment, sizes = LESIONS["nft"], setting("ham10000"), group_sizes("ham10000", "test")
    assert (experiment["prepare_data"]["split_by"], experiment["dense_seeds"]) == ("lesion_id", "per_seed")
    assert not shown("ham10000", "ceag")
    size, feasible = experiment["prepare_data"]["image_size"], [row["feasible_seeds"] for row in LESIONS.values()]
    return [
        f"{len(sizes)} diagnoses as class and group at {size}×{size}, a small CNN, {first['sparsity_percent']} % "
        f"sparsity, tolerance {first['tolerance_percent']} points, {first['seeds']} seeds with a dense model each, "
        "parts by lesion,",
        f"On train, max psi is {with_methods(LESIONS, 'train_max_psi', 1)}; within the tolerance are "
        f"{of_seeds(feasible, first['seeds'])} models.",
        f"On test a diagnosis has {min(sizes)} to {max(sizes)} images, and max psi is "
        f"{within_limits(LESIONS, 'test_max_psi')}; {by_chance(LESIONS)}",
        verdicts(LESIONS),
        f"On the same images EL+RB is shown to hurt {shown_to_differ('ham10000', 'el_rb')} than NFT, and CEAG no "
        "diagnosis more or less.",
    ]


def cifar_claims() -> list[str]:
    first, experiment, sizes = CIFAR["nft"], setting("cifar100"), group_sizes("cifar100", "test")
    assert experiment["dense_seeds"] == "per_seed"
    size, epochs = experiment["prepare_data"]["image_size"], experiment["prune"]["finetune_epochs"]
    assert len(set(sizes)) == 1
    more = [one for one in shown("cifar100", "el_rb") if "points more" in one]
    return [
        f"{len(sizes)} groups, CifarResNet-20 at {size}×{size}, {first['sparsity_percent']} % sparsity, tolerance "
        f"{first['tolerance_percent']} points, {first['seeds']} seeds with a dense model each, {epochs} epochs of "
        "fine-tuning,",
        f"max psi on train is {with_methods(CIFAR, 'train_max_psi', 1)}, and on test, with {sizes[0]} images a class, "
        f"{within_limits(CIFAR, 'test_max_psi')}; {by_chance(CIFAR)}",
        verdicts(CIFAR),
        f"Accuracy on train is {with_methods(CIFAR, 'train_accuracy', 1)}.",
        f"On the same images CEAG is shown to hurt {shown_to_differ('cifar100', 'ceag')} than NFT, and EL+RB "
        f"{len(more)} classes more and {len(shown('cifar100', 'el_rb')) - len(more)} less.",
    ]


def cost_claims() -> list[str]:
    overhead = json.loads((RESULTS / "overhead_cpu.json").read_text())["processes"]
    own = {"interpreter", "torch", "own"}
    seconds = [sum(value for part, value in step.items() if part not in own) for step in overhead.values()]
    memory = json.loads((RESULTS / "artifact_memory_cpu.json").read_text())
    megabytes = max(case["large"]["anonymous"] for name, case in memory["cases"].items() if name != "load_checkpoint")
    cost = json.loads((RESULTS / "step_cost_cpu.json").read_text())
    [hundred] = [row for row in cost["results"] if row["groups"] == 100]
    assert 0.0002 < hundred["dual_step"]["ceag"]["share_of_nft_step"] < 0.0006  # "a few hundredths of a percent"
    return [
        "takes a few hundredths of a percent of a step at 100 groups",
        f"each step costs {min(seconds):.1f} to {max(seconds):.1f} s beyond its own work",
        f"A data set of {memory['megabytes']['large'] / 1000:.0f} GB passes through a stage with at most "
        f"{megabytes:.0f} MB of memory",
    ]


def passage(start: str, end: str) -> str:
    return " ".join(README[README.index(start) : README.index(end)].replace("**", "").split())


RESULTS_PASSAGE = passage("*UTKFace, race as class", "## Three ways to run it")
COST_PASSAGE = passage("## Measured cost", "## Limits")
CLAIMS = [*faces_claims(), *faces_table(), *digits_claims(), *lesions_claims(), *cifar_claims()]


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_readme_says_of_results_is_what_they_are(claim: str) -> None:
    assert claim in RESULTS_PASSAGE


@pytest.mark.parametrize("claim", cost_claims())
def test_what_the_readme_says_of_cost_is_what_was_measured(claim: str) -> None:
    assert claim in COST_PASSAGE


def test_no_figure_is_left_that_has_no_result_behind_it() -> None:
    for text, claims in ((RESULTS_PASSAGE, CLAIMS), (COST_PASSAGE, cost_claims())):
        left = text
        for claim in claims:
            left = left.replace(claim, "")
        left = re.sub(r"\[[^]]*\]\([^)]*\)|`[^`]*`|CifarResNet-20|CIFAR-100|HAM10000", "", left)
        assert re.findall(r".{0,30}\d.{0,30}", left) == []


@pytest.mark.parametrize("experiment", ["digits", "utkface64", "ham10000", "cifar100"])
def test_the_tables_of_results_come_from_their_evaluations(experiment: str, tmp_path: Path) -> None:
    folder = RESULTS / experiment
    evaluations = load_evaluations(folder)
    write_comparison_csv(summarise(evaluations, Verdict.load(folder)), tmp_path / "comparison.csv")
    write_group_results_csv(evaluations, tmp_path / "group_results.csv")
    for name in ("comparison.csv", "group_results.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_every_method_of_an_experiment_is_told() -> None:
    for name, rows in (("digits", DIGITS), ("utkface64", FACES), ("ham10000", LESIONS), ("cifar100", CIFAR)):
        wanted = [one if isinstance(one, str) else one["method"] for one in setting(name)["methods"]]
        assert list(rows) == wanted


def test_what_the_readme_says_of_faults_made_on_purpose_is_what_the_samples_gave() -> None:
    samples = [json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS / "mutation").glob("*.json")]
    tried, first, now = (sum(one[key] for one in samples) for key in ("tried", "noticed_at_first", "noticed"))
    survivors = [survivor for one in samples for survivor in one["survivors"]]
    assert all(survivor["argued"] for survivor in survivors)
    assert len(samples) == 3
    assert (
        f"of {tried} small changes to the core and the stages, in three random samples, tests noticed {first} at first "
        f"sight ({100 * first / tried:.0f} %: what to expect of one not tried) and notice {now} now; of the other "
        f"{len(survivors)} is said why none can"
    ) in " ".join(README.split())
