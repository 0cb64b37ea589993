"""Truth: CUDA's own check for host synchronisation, and the masks a pruned network must keep."""

import math
from collections.abc import Generator
from contextlib import contextmanager

import pytest
import torch
from core.small_runs import BATCH, EPOCHS, FORMAT, SmallRun

from prunegap.data.augment import Augmentation
from prunegap.data.batches import training_batches
from prunegap.pruning.masks import MaskedParameters
from prunegap.training.run import prune_if_due, train
from prunegap.training.step import train_step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


@contextmanager
def no_synchronisation() -> Generator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
@pytest.mark.parametrize("method", ["nft", "ceag", "ceag_no_rb", "el_rb", "group_dro"])
def test_neither_a_step_nor_its_batch_waits_for_the_gpu(method, autocast):
    run = SmallRun(method, torch.device("cuda"))
    state = run.state(seed=0)
    state.epoch = 3
    prune_if_due(state, run.plan(), run.split)
    masked = MaskedParameters(state.model, state.masks)
    augmentation = Augmentation(flip=True, shift=1)
    batches = training_batches(run.split, FORMAT, augmentation, batch_size=BATCH, seed=0, epoch=0)
    state.model.train()
    for _ in range(2):
        train_step(state.model, state.optimizer, masked, state.dual, next(batches), autocast=autocast)
    with no_synchronisation():
        for batch in batches:
            train_step(state.model, state.optimizer, masked, state.dual, batch, autocast=autocast)
            if state.dual is not None and state.tracer is not None:
                state.tracer.record(state.dual)


def test_a_short_constrained_training_keeps_its_masks_and_stays_finite():
    run = SmallRun("ceag", torch.device("cuda"))
    state = run.state(seed=0)
    entries = list(train(state, run.plan(), run.split, until=EPOCHS))
    assert all(math.isfinite(entry.train_loss) for entry in entries)
    assert entries[-1].sparsity == pytest.approx(0.7, abs=0.01)
    assert max(entries[-1].multipliers.values()) > 0
    for name, mask in state.masks.items():
        parameter = state.model.get_parameter(name).detach()
        assert mask.is_cuda
        assert parameter[~mask].abs().sum() == 0
        assert parameter.isfinite().all()
