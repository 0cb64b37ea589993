"""Truth: rules a user's package could add, each wrong in one way; those of the papers are proven in test_magnitude."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from core.outside_package import installed
from core.small_runs import FORMAT, NO_EXAMPLES, images, layers_of, network
from torch import Tensor, nn
from torch.nn import functional

from prunegap.errors import UserError
from prunegap.pruning.magnitude import prune_globally, prune_layerwise
from prunegap.pruning.rules import pruning_rule
from prunegap.pruning.seen import Seen
from prunegap.stages.prune import PruneParams

PACKAGE = '''
import torch

def keep(seen, sparsity):
    """Sets the last weights of each layer to zero, whatever their size."""
    return {name: mask & _first(mask, 1 - sparsity) for name, mask in seen.masks.items()}

def _first(mask, share):
    return (torch.arange(mask.numel()) < round(share * mask.numel())).view(mask.shape)

def filters(seen, sparsity):
    """Whole rows of 100 go: half a percent at a time is as close as it comes."""
    return {name: (torch.arange(len(mask)) >= sparsity * len(mask))[:, None] & mask for name, mask in seen.masks.items()}

def nothing(seen, sparsity): return None
def floats(seen, sparsity): return {name: mask.float() for name, mask in keep(seen, sparsity).items()}
def flat(seen, sparsity): return {name: mask.flatten() for name, mask in keep(seen, sparsity).items()}
def fewer(seen, sparsity): return dict(list(keep(seen, sparsity).items())[1:])
def more(seen, sparsity): return keep(seen, sparsity) | {"c.weight": torch.ones(2, 2).bool()}
def lazy(seen, sparsity): return keep(seen, sparsity - 0.02)
def eager(seen, sparsity): return keep(seen, sparsity + 0.02)
def revives(seen, sparsity): return {n: torch.arange(m.numel()).view(m.shape) >= m.numel() // 2 for n, m in seen.masks.items()}
def reverses(seen, sparsity): return dict(reversed(keep(seen, sparsity).items()))
'''  # noqa: E501
RULES = ["keep", "filters", "nothing", "floats", "flat", "fewer", "more", "lazy", "eager", "revives", "reverses"]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[None]:
    """A distribution that adds rules, as pip would have installed it."""
    points = {name: f"my_rules:{name}" for name in [*RULES, "gone"]}
    with installed(tmp_path, "my_rules", PACKAGE, {"pruning_rules": points}):
        yield
    sys.modules.pop("my_rules", None)


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(200, 100, generator=generator),
        "b.weight": torch.randn(200, 100, generator=generator),
    }


def shown(masks: dict[str, Tensor]) -> Seen:
    return Seen(weights(), masks, nn.Identity(), NO_EXAMPLES, FORMAT, batch_size=1, group_names=())


def dense() -> dict[str, Tensor]:
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights().items()}


def zeros(masks: dict[str, Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


@pytest.mark.parametrize(("name", "ours"), [("layerwise", prune_layerwise), ("global", prune_globally)])
def test_the_papers_rules_are_found_by_name(name, ours):
    found, expected = pruning_rule(name)(shown(dense()), 0.9), ours(shown(dense()), 0.9)
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.usefixtures("package")
def test_a_package_adds_a_rule_in_one_file():
    assert PruneParams(rule="keep").rule == "keep"
    masks = pruning_rule("keep")(shown(dense()), 0.9)
    assert all(mask.flatten().tolist() == [True] * 2000 + [False] * 18000 for mask in masks.values())


@pytest.mark.usefixtures("package")
def test_a_structured_rule_may_miss_by_what_a_filter_is_worth():
    assert zeros(pruning_rule("filters")(shown(dense()), 0.9012)) == 2 * 181 * 100


@pytest.mark.usefixtures("package")
def test_the_order_of_layers_is_ours():
    assert list(pruning_rule("reverses")(shown(dense()), 0.9)) == ["a.weight", "b.weight"]


def test_without_the_package_its_rules_are_not_known():
    with pytest.raises(ValueError, match=r"rule\n.*pruning rule 'keeep' is not known; valid: fairgrape, global"):
        PruneParams(rule="keeep")
    with pytest.raises(UserError, match="pruning rule 'glob' is not known; did you mean 'global'"):
        pruning_rule("glob")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nothing", "must return masks by parameter name, it returned a NoneType"),
        ("floats", r"must return bool tensors, it returned torch\.float32 for 'a\.weight'"),
        (
            "flat",
            r"must return masks of the shape .* \(200, 100\) on cpu, it returned \(20000,\) on cpu for 'a\.weight'",
        ),
        ("fewer", r"must return a mask for each weight it is given and no other; 'a\.weight' is missing"),
        ("more", r"must return a mask for each weight it is given and no other; 'c\.weight' is none of them"),
        ("lazy", r"must set 90\.00% of the weights to zero, it set 88\.00%"),
        ("eager", r"must set 90\.00% of the weights to zero, it set 92\.00%"),
    ],
)
def test_a_rule_that_returns_no_masks_of_that_sparsity_is_refused(name, complaint):
    with pytest.raises(UserError, match=rf"pruning rule '{name}' {complaint}; correct the package that adds it"):
        pruning_rule(name)(shown(dense()), 0.9)


@pytest.mark.usefixtures("package")
def test_a_rule_that_brings_weights_back_is_refused():
    half = pruning_rule("keep")(shown(dense()), 0.5)
    with pytest.raises(UserError, match=r"'revives' brings 10000 pruned weights back in 'a\.weight'"):
        pruning_rule("revives")(shown(half), 0.5)


@pytest.mark.usefixtures("package")
def test_a_rule_asked_for_less_than_is_gone_may_leave_it_there():
    half = pruning_rule("keep")(shown(dense()), 0.5)
    assert zeros(pruning_rule("keep")(shown(half), 0.1)) == zeros(half)


@pytest.mark.usefixtures("package")
def test_a_rule_that_is_not_there_is_refused_by_its_place():
    with pytest.raises(UserError, match=r"pruning rule 'gone' cannot be loaded from my_rules:gone"):
        pruning_rule("gone")


def test_the_rule_that_the_documentation_shows_is_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs/method/pruning_rules.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with installed(tmp_path, "your_package", code, {"pruning_rules": {"saliency": "your_package:saliency"}}):
        model = network(0)
        layers = layers_of(model)
        seen = Seen(layers.prunable, layers.first_masks(), model, images(40, 0), FORMAT, 16, ("a", "b", "c"))
        masks = pruning_rule("saliency")(seen, 0.5)
    loss = functional.cross_entropy(model.eval()(FORMAT.inputs(seen.split.images)), seen.split.labels)
    for name, gradient in zip(masks, torch.autograd.grad(loss, list(layers.prunable.values())), strict=True):
        score = (layers.prunable[name] * gradient).abs().flatten()
        kept = masks[name].flatten()
        assert score[kept].min() >= score[~kept].max() * (1 - 1e-4)


def test_names_of_rules_are_checked_without_torch():
    code = "import sys; from prunegap.extensions import entry_point; entry_point('pruning_rules', 'global'); "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
