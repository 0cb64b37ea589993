"""The verdict on simulated evaluations, as the stage reaches it."""

from collections.abc import Sequence

from prunegap.artifacts.evaluation import Evaluation
from prunegap.artifacts.verdict import Verdict
from prunegap.stages.gate import GateParams, gate


def verdict_on(evaluations: Sequence[Evaluation], **params) -> Verdict:
    return gate(GateParams(**params), tuple(evaluations))
