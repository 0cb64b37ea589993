"""evaluate: the fine-tuned sparse model against its dense model, overall and per group, on every split."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from prunegap.artifacts.baseline import Baseline
from prunegap.artifacts.dataset import Dataset
from prunegap.artifacts.evaluation import Evaluation, split_result
from prunegap.artifacts.trained_models import FinetunedModel
from prunegap.report.tables import groups_markdown
from prunegap.stages.contract import stage
from prunegap.stages.measuring import measure_splits
from prunegap.stages.training_params import ComputeParams


class EvaluateParams(ComputeParams):
    """Parameters of evaluate."""

    dataset_name: str = Field(default="", description="Name of the data set in tables; empty: that of its source.")
    tolerance: float = Field(
        default=0.01, ge=0, description="Excess accuracy gap up to which a model counts as feasible (fraction)."
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="Probability that the limits of a figure miss, on parts not trained on."
    )


@stage
def evaluate(
    params: EvaluateParams, dataset: Dataset, baseline: Baseline, finetuned_model: FinetunedModel
) -> Evaluation:
    """Measure what pruning and fine-tuning cost each group, on every split."""
    from prunegap.gaps import classification, compare_outcomes, group_statistics, overall_statistics, quantity_of
    from prunegap.stages.checks import seen_by
    from prunegap.training.methods import fitted_on

    data, trained_by = dataset.data, finetuned_model.trained_by
    outcomes = measure_splits(params, finetuned_model.network, data)
    seen = seen_by(finetuned_model.network.spec, data)
    evaluation = Evaluation(
        dataset=params.dataset_name or dataset.source,
        target=data.target,
        group="*".join(data.group_by),
        model=finetuned_model.network.spec.name,
        seed=trained_by.pruning.seed,
        sparsity=trained_by.pruning.sparsity,
        achieved_sparsity=trained_by.pruning.achieved_sparsity,
        method=trained_by.method,
        label=trained_by.label,
        summary=trained_by.summary,
        tolerance=params.tolerance,
        seconds=trained_by.seconds,
        overall_quantities=[quantity_of(one) for one in overall_statistics()],
        group_quantities=[quantity_of(one) for one in group_statistics()],
        splits={
            name: split_result(
                compare_outcomes(
                    baseline.outcomes[name],
                    outcomes[name],
                    split.groups,
                    data.num_groups,
                    # A method is about exactly the examples it is fitted on: they are no sample of anything.
                    alpha=None if name in fitted_on(trained_by.method) else params.alpha,
                ),
                data.group_names,
                params.tolerance,
            )
            for name, split in data.splits.items()
        },
        alpha=params.alpha,
        layers=trained_by.pruning.layers,
        outcomes=outcomes,
        members={name: split.groups for name, split in data.splits.items()},
        classification={
            name: classification(outcomes[name], split.labels, seen.class_names) for name, split in seen.splits.items()
        },
    )
    return replace(evaluation, table=groups_markdown(evaluation))
