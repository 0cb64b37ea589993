"""Truth: the defaults written out once more; one that changes by accident changes everyone's results without a word."""

import pytest
from stages.results import STAGES

TYPES = {stage.name: stage.params_type for stage in STAGES}
COMPUTE = {
    "device": "auto", "precision": "float32", "channels_last": False, "evaluation_batch_size": 256, "threads": 0,
}  # fmt: skip
TRAINING = {
    **COMPUTE, "batch_size": 128, "learning_rate": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4,
    "milestones": (0.6, 0.8, 0.9), "gamma": 0.1, "flip": False, "shift": 0, "checkpoint_every": 1, "seed": 0,
}  # fmt: skip
DUAL = {
    "controller": "gradient_ascent",
    "controller_options": (),
    "dual_step_size": 1e-3,
    "buffer_size": 40,
    "overall_estimate": "share",
    "equality": "signed",
}
DEFAULTS = {
    "prepare_data": {
        "source": "digits", "location": "", "source_options": (), "download": False,
        "image_column": "image", "label_column": "label",
        "part_column": "split", "target": "", "group_by": (), "drop_groups": (), "class_names": (), "image_size": 0,
        "channels": 0, "split": "auto", "test_share": 0.2, "validation_share": 0.0, "split_seed": 0, "salt": "",
        "split_by": "", "repeats": "drop", "channel_mean": (), "channel_std": (), "on_bad_rows": "fail",
        "cache_dir": "",
    },
    "acquire_dense": {
        **TRAINING, **DUAL, "model": "small_cnn", "weights": "", "sha256": "", "head_rows": (), "replace_head": False,
        "weights_classes": (), "weights_mean": (), "weights_std": (), "epochs": 50, "method": "nft", "cache_dir": "",
    },
    "measure_baseline": COMPUTE,
    "prune": {
        **TRAINING, "sparsity": 0.9, "rule": "layerwise", "keep_dense": (), "gmp_epochs": 15, "finetune_epochs": 45,
        "start_epoch": 0, "prune_every": 1, "initial_sparsity": 0.0,
    },
    "finetune": {**COMPUTE, **DUAL, "method": "ceag", "label": "", "tolerance": 0.01, "checkpoint_every": 1},
    "evaluate": {**COMPUTE, "dataset_name": "", "tolerance": 0.01, "alpha": 0.05},
    "gate": {
        "tolerance": -1.0, "split": "", "alpha": 0.05, "rule": "bonferroni", "candidates": 0, "two_sided": False,
        "merge_below": 0, "leave_out": (), "accept_undecidable": False, "enforce": True,
    },
    "compare": {"title": ""},
}  # fmt: skip


@pytest.mark.parametrize("stage", TYPES)
def test_the_defaults_are_these(stage: str):
    assert TYPES[stage]().model_dump() == DEFAULTS[stage]
