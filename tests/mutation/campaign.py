"""Changes the core and the stages one small piece at a time, and sees whether a test notices.

    PYTHONPATH=tests nice python -m mutation.campaign --sample 150 --seed 0
    PYTHONPATH=tests nice python -m mutation.campaign --module constraints/dual.py
    PYTHONPATH=tests nice python -m mutation.campaign --again       # the survivors of the last result

A sample of all mutants is drawn by the seed, so that a score speaks for all of them. What survives is listed; where no
test could notice, equivalent.json says why. A mutant whose tests take far longer than without it counts as noticed.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mutation.floors import is_covered, tests_of
from mutation.forked import ROOT, Overlay, overlay
from mutation.mutants import Mutant, mutants

PACKAGE = ROOT / "src" / "prunegap"
RESULTS = ROOT / "benchmarks" / "results" / "mutation"
EQUIVALENT = Path(__file__).with_name("equivalent.json")


@dataclass(frozen=True)
class Survivor:
    """A change that no test noticed; ``argued``: why none could, empty where one should."""

    file: str
    line: int
    function: str
    change: str
    argued: str


def all_mutants(only: str = "") -> list[tuple[str, Mutant]]:
    """Return every mutant with its module, in order; ``only``: those of one module or floor."""
    paths = (path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")))
    modules = [path for path in paths if is_covered(path) and path.startswith(only)]
    return [(module, one) for module in modules for one in mutants((PACKAGE / module).read_text(encoding="utf-8"))]


def argued() -> dict[tuple[str, str, str], str]:
    """Return why a change can have no effect, by module, function and change."""
    entries = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {(one["file"], one["function"], one["change"]): one["why"] for one in entries}


def chosen(arguments: argparse.Namespace) -> list[tuple[str, Mutant]]:
    """Return the mutants to try, in the order of the modules."""
    everything = all_mutants(arguments.module)
    if arguments.again:
        last = read_result(arguments.out)["survivors"]
        return [found for one in last for found in nearest(everything, one)]
    drawn = random.Random(arguments.seed).sample(range(len(everything)), min(arguments.sample, len(everything)))
    return [everything[index] for index in sorted(drawn)]


def nearest(everything: Sequence[tuple[str, Mutant]], survivor: Mapping[str, Any]) -> list[tuple[str, Mutant]]:
    """Return the mutant that a survivor was, the nearest one where lines have moved; none where it is gone."""
    key = survivor["file"], survivor["function"], survivor["change"]
    alike = [(module, one) for module, one in everything if (module, one.function, one.change) == key]
    return sorted(alike, key=lambda trial: abs(trial[1].line - survivor["line"]))[:1]


def read_result(path: Path) -> dict[str, Any]:
    """Return the last result."""
    return json.loads(path.read_text(encoding="utf-8"))


def limits(copy: Overlay, modules: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Return how long each set of tests may take: well above what it takes on the code as it is.

    Raises:
        SystemExit: a test fails on the code as it is.
    """
    found: dict[tuple[str, ...], float] = {}
    for module in modules:
        tests = tests_of(module)
        if tests not in found:
            source = (PACKAGE / module).read_text(encoding="utf-8")
            verdict = copy.run(module, source, tests, limit=1800)
            if verdict.outcome != "passed":
                raise SystemExit(f"the tests of {module} fail on the code as it is:\n{verdict.said}")
            found[tests] = 4 * verdict.seconds + 20
            print(f"{module} as it is: {verdict.seconds:.0f} s", flush=True)
    return found


def tried(copy: Overlay, trials: Sequence[tuple[str, Mutant]], minutes: float) -> Iterator[tuple[str, Mutant, str]]:
    """Yield module, mutant and outcome, until the time is up."""
    allowed = limits(copy, list(dict.fromkeys(module for module, _ in trials)))
    end = time.monotonic() + 60 * minutes
    # What time leaves out is left out at random.
    order = random.Random(1).sample(trials, len(trials))
    for number, (module, mutant) in enumerate(order, start=1):
        if time.monotonic() > end:
            print(f"time is up: {len(trials) - number + 1} of {len(trials)} not tried", flush=True)
            return
        tests = tests_of(module)
        verdict = copy.run(module, mutant.source, tests, allowed[tests])
        shown = f"{module}:{mutant.line} {mutant.function}: {mutant.change}"
        print(f"{number}/{len(trials)} {verdict.outcome} {verdict.seconds:.0f} s  {shown}", flush=True)
        yield module, mutant, verdict.outcome


def main() -> None:
    """Try mutants, print how it went, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=10**6, help="how many mutants; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--module", default="", help="one module or floor below src/prunegap")
    parser.add_argument("--again", action="store_true", help="the survivors of the last result alone")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so many")
    parser.add_argument("--out", type=Path, default=None, help="a file a seed by default")
    arguments = parser.parse_args()
    arguments.out = arguments.out or RESULTS / f"sample_{arguments.seed}.json"
    trials, reasons = chosen(arguments), argued()
    with overlay() as copy:
        outcomes = list(tried(copy, trials, arguments.minutes))
    survivors = [
        Survivor(module, one.line, one.function, one.change, reasons.get((module, one.function, one.change), ""))
        for module, one, outcome in sorted(outcomes, key=lambda trial: (trial[0], trial[1].line))
        if outcome == "passed"
    ]
    first = {"tried": len(outcomes), "noticed_at_first": len(outcomes) - len(survivors)}
    if arguments.again:
        first = {key: read_result(arguments.out)[key] for key in first}
    count = first["tried"]
    equivalent = sum(bool(one.argued) for one in survivors)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "mutants_in_all": len(all_mutants(arguments.module)),
        "seed": read_result(arguments.out)["seed"] if arguments.again else arguments.seed,
        **first,
        "noticed": count - len(survivors),
        "argued_equivalent": equivalent,
        "score": round((count - len(survivors)) / max(1, count), 4),
        "score_without_equivalent": round((count - len(survivors)) / max(1, count - equivalent), 4),
        "survivors": [asdict(one) for one in survivors],
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
