"""Truth: step-by-step recordings of the published implementation (float64, CPU), within 1e-6, masks identical."""

import numpy as np
import pytest
import torch
from conformance.recording import Recording
from core.small_runs import NO_EXAMPLES
from torch import Tensor
from torch.nn import functional

from prunegap.gaps import Outcomes, compare_outcomes
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.run import TrainingPlan, prune_if_due
from prunegap.training.state import TrainingState
from prunegap.training.step import train_step

RUNS = ["mlp_nft", "mlp_gmp_freq2_start1", "mlp_ceag", "mlp_ceag_norb", "mlp_el", "resnet_ceag"]


def close(ours: object, theirs: object) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=1e-6)


def surrogate(recording: Recording, loss: Tensor, groups: Tensor) -> Tensor:
    """The differentiable stand-in at this batch, NaN for groups that are not in it."""
    means = torch.stack([loss[groups == g].mean() for g in range(4)]) - loss.mean()
    if recording.config["method"] == "el":
        return means.abs()
    return means - recording.tensor("dense/train_group_loss") + recording.tensor("dense/train_avg_loss")


def check_epoch_end(recording: Recording, state: TrainingState, epoch: int) -> None:
    dense = {part: recording.tensor(f"dense/{part}_group_acc") for part in ("train", "test")}
    for part, dense_accuracy in dense.items():
        x, y, g = recording.test_data(part)
        state.model.eval()
        with torch.no_grad():
            logits = state.model(x)
        loss = functional.cross_entropy(logits, y, reduction="none")
        predicted = logits.argmax(1)
        outcomes = Outcomes(predicted, loss, predicted == y)
        report = compare_outcomes(outcomes, outcomes, g, 4)
        key = f"eval/{epoch:03d}/{part}_"
        close(report.overall["accuracy"], recording.arrays[key + "avg_acc"])
        close(report.group["accuracy"], recording.arrays[key + "group_acc"])
        close(report.group["loss"], recording.arrays[key + "group_loss"])
        gap = dense_accuracy - report.group["accuracy"]
        psi = gap - (recording.tensor(f"dense/{part}_avg_acc") - report.overall["accuracy"])
        close(psi.max(), recording.arrays[key + "max_psi"])
        close(gap.max() - gap.min(), recording.arrays[key + "psi_pw"])


def check_step(recording: Recording, state: TrainingState, step: int, loss: Tensor, groups: Tensor) -> None:
    close(loss.mean(), recording.arrays["step/loss"][step])
    if state.dual is not None:
        close(state.dual.violations, recording.arrays["step/strict"][step])
        close(state.dual.multipliers, recording.arrays["step/mult"][step])
        close(surrogate(recording, loss, groups), recording.arrays["step/violation"][step])


def raw_weights(recording: Recording, state: TrainingState, step: int) -> None:
    """The recording keeps raw weights; under a mask their values do not matter."""
    flat = torch.from_numpy(recording.arrays["step/weights_flat"][step])
    parameters = dict(state.model.named_parameters())
    names = [str(n).replace("main.", "") for n in recording.arrays["step/weights_names"]]
    parts = flat.split([parameters[name].numel() for name in names])
    for name, part in zip(names, parts, strict=True):
        mask = state.masks.get(name, torch.ones_like(parameters[name], dtype=torch.bool))
        close((parameters[name].detach() * mask), part.view_as(mask) * mask)


def replay(recording: Recording) -> tuple[TrainingState, TrainingPlan]:
    state = recording.state()
    plan = recording.plan(state.model)
    assert plan.schedule is not None
    step = 0
    for epoch in range(recording.config["epochs"]):
        state.epoch = epoch
        prune_if_due(state, plan, NO_EXAMPLES)
        masks = recording.under(f"mask/{epoch:03d}/")
        for name, mask in masks.items():
            assert torch.equal(state.masks[f"{name}.weight"], mask), f"epoch {epoch}: mask of {name}"
        assert {n for n, m in state.masks.items() if m.dim() > 1} == {f"{n}.weight" for n in masks}
        close(plan.schedule.sparsity(epoch), recording.arrays[f"sparsity/{epoch:03d}"])
        rate = plan.recipe.learning_rate_at(epoch)
        close(rate, recording.arrays[f"lr/{epoch:03d}"])
        state.optimizer.param_groups[0]["lr"] = rate
        if epoch == plan.schedule.end:
            state.dual = recording.dual()
        masked = MaskedParameters(state.model, state.masks)
        state.model.train()
        for batch in recording.batches(epoch):
            record = train_step(state.model, state.optimizer, masked, state.dual, batch)
            check_step(recording, state, step, record.loss, batch.groups)
            if "step/weights_flat" in recording.arrays:
                raw_weights(recording, state, step)
            step += 1
        check_epoch_end(recording, state, epoch)
    return state, plan


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_is_reproduced_step_by_step(name: str) -> None:
    recording = Recording(name)
    state, _ = replay(recording)
    for layer, weights in recording.under("final_masked/").items():
        close(state.model.get_parameter(f"{layer}.weight").detach(), weights)
    if state.dual is not None and state.dual.buffers is not None:
        for group in range(4):
            close(state.dual.buffers.contents(group), recording.arrays[f"buffer/{group}"])
