"""Two models' answers with awkward names of groups, their audit, and the facts of a card."""

from dataclasses import replace

import numpy as np

from prunegap import audit
from prunegap.report.model_card import CardFacts

NAMES = (
    "a|b",
    "# 1. *b* _c_ `d`",
    "x\ny: 'q' \"r\"",
    "<b>&amp;</b> [l](http://e.org)",
    "👩\u200d👩\u200d👧 $x$ ~~y~~\\",
)
"""Pipes, line breaks, quotes, tags, links, emoji with joiners: as a table of somebody's may hold them."""


def answers(seed=0, harm=0.12, examples=2000):
    """Return groups, and whether each model is right; the last group is harmed most."""
    draw = np.random.default_rng(seed)
    group = draw.integers(0, len(NAMES), examples)
    before = draw.random(examples) < 0.9
    after = before ^ (draw.random(examples) < 0.02 + harm * (group == len(NAMES) - 1))
    return group, before, after


def judged(tolerance=0.05, names=NAMES, **more):
    group, before, after = answers(**{key: more.pop(key) for key in ("seed", "harm", "examples") if key in more})
    groups = {"region": [names[at] for at in group]}
    return audit(before=before.astype(int), after=after.astype(int), groups=groups, tolerance=tolerance, **more)


def facts(**more):
    known = CardFacts(
        model="cifar_resnet56",
        method="ceag",
        summary="Constrains each group's excess gap.",
        dataset="UTKFace 64",
        target="age",
        split="test",
        version="1.2.3",
        seed=7,
        sparsity=0.995,
        achieved_sparsity=0.99487,
        digests={"model": "ab12", "data set": "cd34"},
    )
    return replace(known, **more)
