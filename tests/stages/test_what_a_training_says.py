"""What a stage that trains says when it goes wrong: which training, how, and what to do."""

import logging

import pytest
from stages import tiny_values as given

from prunegap.errors import UserError
from prunegap.stages.acquire_dense import AcquireDenseParams, acquire_dense
from prunegap.tracking.protocol import NullTracker

TOO_FAST = {"learning_rate": 1e30}


def dense() -> None:
    params = AcquireDenseParams.model_validate({**given.DENSE, **TOO_FAST})
    acquire_dense(params, given.dataset(), checkpoint=given.Witness(), tracker=NullTracker())


def pruning() -> None:
    given.pruned(**TOO_FAST)


def finetuning() -> None:
    given.finetuned(given.sparse_model(), dual_step_size=1e30)


@pytest.mark.parametrize(
    ("training", "name", "epoch"),
    [(dense, "dense model", 0), (pruning, "pruning to 60.0%", 0), (finetuning, "ceag", 2)],
)
def test_a_training_that_diverges_is_told_by_its_name_and_epoch(training, name: str, epoch: int):
    with pytest.raises(UserError, match=rf"^{name} diverged: .* epoch {epoch} is (nan|inf); lower learning_rate"):
        training()


def test_negative_weights_are_warned_of_with_the_worst_epoch_s_share(caplog):
    with caplog.at_level(logging.WARNING, logger="prunegap"):
        made = given.finetuned(given.sparse_model(), label="mine", dual_step_size=2.0)
    worst = max(entry.negative_weight_share for entry in made.history.epochs)
    assert worst > 0
    (record,) = [one for one in caplog.records if "negative weight" in one.message]
    assert record.message.startswith(f"mine: up to {100 * worst:.1f} % of an epoch's examples")


def test_without_negative_weights_nothing_is_said(caplog):
    with caplog.at_level(logging.WARNING, logger="prunegap"):
        given.finetuned(given.sparse_model(), method="nft")
    assert not [one for one in caplog.records if "negative weight" in one.message]


def test_a_group_too_small_for_its_buffer_is_warned_of_by_name(caplog):
    counts = given.dataset().data.splits["train"].group_counts(3).tolist()
    few, epochs = min(counts), 2
    for size, said in ((few * epochs, 0), (few * epochs + 1, 1)):
        with caplog.at_level(logging.WARNING, logger="prunegap"):
            given.finetuned(given.sparse_model(), buffer_size=size)
        warned = [one.message for one in caplog.records if "they are never measured" in one.message]
        assert len(warned) == said
    assert warned[0].startswith(
        f"ceag: buffer_size {few * epochs + 1} is more than 2 epochs have examples of few ({few} "
    )


def test_stopping_early_without_held_out_examples_is_refused():
    from dataclasses import replace

    from prunegap.stages.finetune import FinetuneParams, finetune

    data = given.dataset().data
    splits = {name: split for name, split in data.splits.items() if name != "validation"}
    unheld = replace(given.dataset(), data=replace(data, splits=splits))
    values = unheld, given.baseline(), given.sparse_model()
    with pytest.raises(UserError, match=r"nft_es picks its epoch on held-out examples.*validation_share above 0"):
        finetune(FinetuneParams(method="nft_es"), *values, checkpoint=given.Witness(), tracker=NullTracker())
    made = finetune(FinetuneParams(method="nft_es_on_test"), *values, checkpoint=given.Witness(), tracker=NullTracker())
    assert {entry.validation_accuracy for entry in made.history.epochs} == {None}


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="device: cuda was asked for, but torch finds no GPU"):
        given.finetuned(given.sparse_model(), device="cuda")


def test_a_sparse_model_says_which_layers_stay_dense_and_which_are_pruned():
    layers = given.pruned(keep_dense=("linear2",)).sparse_model.trained_by.layers
    assert (layers["input"], layers["classifier"], layers["kept"]) == (["conv1"], ["head"], ["linear2"])
    assert layers["prunable"] == ["conv2", "linear1"]
