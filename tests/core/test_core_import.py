"""Truth: a fresh interpreter in which everything but the core's own five libraries cannot be imported."""

import subprocess
import sys

BLOCKED = [
    "pydantic", "mlflow", "boto3", "PIL", "pyarrow", "sklearn", "matplotlib", "click", "rich", "yaml", "jinja2",
    "jaxtyping", "beartype", "kfp", "docker",
]  # fmt: skip

SCRIPT = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {set(BLOCKED)!r}
        return None if absent else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import torch
import prunegap.constraints.dual, prunegap.gaps, prunegap.training.run, prunegap.training.checkpoints
from prunegap.constraints.dual import DualSettings, DualState
from prunegap.constraints.formulation import DenseReference, FormulationSettings
from prunegap.data.augment import Augmentation, ImageFormat
from prunegap.data.batches import training_batches
from prunegap.data.grouped import Split
from prunegap.diagnostics import diagnose_groups
from prunegap.models.build import build
from prunegap.models.spec import ModelSpec
from prunegap.pruning.magnitude import prune_layerwise
from prunegap.pruning.layers import find_layers
from prunegap.pruning.masks import MaskedParameters
from prunegap.pruning.seen import MaskedWeights
from prunegap.training.methods import find_method
from prunegap.training.recipe import Recipe
from prunegap.training.step import train_step

model = build(ModelSpec("small_cnn", 2, 1, 8))
layers = find_layers(model, torch.zeros(2, 1, 8, 8))
masks = prune_layerwise(MaskedWeights(layers.prunable, layers.first_masks()), 0.5)
masked = MaskedParameters(model, masks)
masked.apply()
split = Split(torch.randint(256, (8, 1, 8, 8), dtype=torch.uint8), torch.arange(8) % 2, torch.arange(8) // 4)
reference = DenseReference(torch.ones(2), torch.zeros(2), torch.tensor([4, 4]))
method = find_method("ceag").constrained
dual = DualState(method, FormulationSettings(0.01), DualSettings(0.1, 2), reference, ["a", "b"])
augmentation = Augmentation(flip=True, shift=1)
for batch in training_batches(split, ImageFormat([0.5], [0.2]), augmentation, batch_size=8, seed=0, epoch=0):
    record = train_step(model, Recipe(1).optimizer(model), masked, dual, batch)
assert record.loss.isfinite().all() and record.weights.shape == (8,), record
found = diagnose_groups(model, split, ImageFormat([0.5], [0.2]), ["a", "b"])
assert all(group.eigenvalue.iterations for group in found), found
assert not set({BLOCKED!r}) & {{name.partition(".")[0] for name in sys.modules}}
print("trained")
"""


def test_the_core_trains_where_there_is_only_torch_torchvision_numpy_scipy_and_safetensors():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.stdout == "trained\n", done.stderr
    assert done.returncode == 0
