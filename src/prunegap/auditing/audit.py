"""``audit``: predictions of two models -> what each group loses, how sure that is, and a verdict."""

from collections.abc import Sequence
from dataclasses import replace

from prunegap.auditing.predictions import BETWEEN, Predictions
from prunegap.uncertainty import Audit, Rules, Tally, audit_groups


def audit(predictions: Predictions, attributes: Sequence[str], rules: Rules, *, families: int = 1) -> Audit:
    """Judge what the model after does to the groups that some attributes make together.

    Args:
        predictions: of both models.
        attributes: one, or several whose intersection is judged.
        rules: to judge by.
        families: groupings that are judged side by side: a refusal has alpha by that many.

    Raises:
        UserError: a name that is no group, fewer than two groups, or a value out of range.
    """
    numbers, names = predictions.intersection(attributes)
    tally = replace(Tally.of(predictions.before, predictions.after, numbers, names), notes=predictions.notes)
    return audit_groups(tally, rules, grouping=BETWEEN.join(attributes), families=families, files=predictions.files)
