"""The step that the tests of tracking log: its name and its tags."""

NAME = "finetune/seed=0/sparsity=0.9/ceag"
TAGS = {"prunegap.stage": "finetune", "prunegap.seed": "0", "prunegap.sparsity": "0.9", "prunegap.method": "ceag"}
