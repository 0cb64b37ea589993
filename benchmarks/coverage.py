"""Coverage and width of the limits of excess gaps, where the truth is known: ``python benchmarks/coverage.py``.

Every setting says sizes, and per group the probabilities that an example is lost and gained. Written to
``benchmarks/results/coverage/limits.csv``, every share of the repetitions:

- how often all limits hold together, and their half-width over the ideal one (known variances, the same simultaneous
  quantile);
- how often the upper and lower bounds of max psi and of Psi_PW hold;
- how often a model is admitted whose worst group is exactly at the tolerance, which is never to be;
- beside them, of Wald's limits with Bonferroni's level, and of the percentile bootstrap at 95 % a group and, up to 20
  groups, at Bonferroni's level: 1,000 draws of each of a tenth of the repetitions.
"""

import time
from pathlib import Path

import numpy as np
from rivals import percentile_bootstrap, wald
from simulated import ALPHA, Floats, arguments, held, over_ideal, share, two_standard_errors, write
from truths import Setting, settings

from prunegap.uncertainty import (
    Limits,
    PairedCounts,
    excess_gap_limits,
    largest_differences,
    max_excess_gaps,
    simultaneous_limits,
)

OUT = Path(__file__).parent / "results/coverage/limits.csv"
RESAMPLES = 1000
MOST_GROUPS = 20
"""Groups up to which Bonferroni's level is more than a draw of the bootstrap or two."""
SLACK = 1e-12


def measured(setting: Setting, repetitions: int, seed: int) -> dict[str, object]:
    """Draw the setting again and again; return how often all limits held, and their width."""
    rng = np.random.default_rng(seed)
    there = setting.sizes > 0
    counts, truth, ideal = setting.drawn(repetitions, rng)[:, there], setting.excess_gap[there], setting.ideal[there]
    began = time.perf_counter()
    limits = simultaneous_limits(counts, ALPHA)
    seconds = time.perf_counter() - began
    return {
        "setting": setting.name,
        "repetitions": repetitions,
        "coverage": share(held(limits, truth).all(axis=1)),
        "two_standard_errors": two_standard_errors(repetitions),
        "half_width_over_ideal": over_ideal(limits, ideal),
        "mean_half_width_points": f"{50 * (limits.high - limits.low).mean():.3f}",
        **_bounds(counts, truth, setting.gap[there]),
        **_rivals(counts, truth, ideal, rng),
        "seconds": f"{seconds:.1f}",
    }


def _bounds(counts: PairedCounts, truth: Floats, gap: Floats) -> dict[str, object]:
    """Return how often bounds hold, and how often a model at the boundary is admitted."""
    psi, pair = max_excess_gaps(counts, ALPHA), largest_differences(counts, ALPHA)
    worst, spread = truth.max(), gap.max() - gap.min()
    admitted = (excess_gap_limits(counts, ALPHA).high <= worst).all(axis=1)  # as judge does
    return {
        "max_psi_upper": share(psi.high >= worst - SLACK),
        "max_psi_lower": share(psi.low <= worst + SLACK),
        "psi_pw_upper": share(pair.high >= spread - SLACK),
        "psi_pw_lower": share(pair.low <= spread + SLACK),
        "wrongly_admitted": share(admitted),
    }


def _rivals(counts: PairedCounts, truth: Floats, ideal: Floats, rng: np.random.Generator) -> dict[str, object]:
    groups = len(truth)
    bonferroni = ALPHA / 2 / (1 if groups == 2 else groups)
    by_wald = wald(counts, bonferroni)
    few = counts[: max(len(counts.examples) // 10, 1)]
    levels = [ALPHA / 2, bonferroni] if groups <= MOST_GROUPS else [ALPHA / 2]
    boots = percentile_bootstrap(few, levels, RESAMPLES, rng)

    def together(limits: Limits) -> str:
        return share(held(limits, truth).all(axis=1))

    return {
        "wald": together(by_wald),
        "wald_half_width_over_ideal": over_ideal(by_wald, ideal),
        "bootstrap_repetitions": len(few.examples),
        "bootstrap_a_group": share(held(boots[0], truth)),
        "bootstrap": together(boots[0]),
        "bootstrap_bonferroni": together(boots[1]) if len(boots) > 1 else "",
        "bootstrap_bonferroni_half_width_over_ideal": over_ideal(boots[1], ideal) if len(boots) > 1 else "",
    }


def main() -> None:
    """Measure every setting and write the table."""
    given = arguments(__doc__ or "", OUT)
    many = {True: given.repetitions // 4, False: given.repetitions}
    write(given, (measured(one, many[len(one.sizes) >= 1000], given.seed) for one in settings()))


if __name__ == "__main__":
    main()
