"""Pruning rules: which weights go, given how many; ours and those of installed packages, checked in what they return.

A rule is a function ``(seen, sparsity) -> masks``, an entry point of the group ``prunegap.pruning_rules``::

    def prune_at_random(seen, sparsity):
        drawn = torch.Generator().manual_seed(seen.seed)
        scores = {name: torch.rand(mask.shape, generator=drawn).to(mask.device) for name, mask in seen.masks.items()}
        return prune_layerwise(MaskedWeights(scores, seen.masks), sparsity)

``seen`` is a :class:`prunegap.pruning.seen.Seen`: weights and masks (True = kept) by parameter name, and the model, the
training examples and the groups for a rule that asks for them. ``sparsity`` is the share of all these weights that
shall be zero. The rule returns new masks of the same names and shapes, in which nothing pruned comes back.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prunegap.errors import UserError
from prunegap.extensions import extension
from prunegap.pruning.seen import Seen

PruningRule = Callable[[Seen, float], dict[str, Tensor]]
SLACK = 0.005
"""How far a rule may miss the sparsity (share of all weights), beyond a weight a layer: structured rules round."""


def pruning_rule(name: str) -> PruningRule:
    """Return the rule of that name, its results checked.

    Raises:
        UserError: no such rule, or its package cannot be imported. The returned function: the rule's masks are not
            those of the weights, bring pruned weights back, or miss the sparsity.
    """
    rule: PruningRule = extension("pruning_rules", name)

    def checked(seen: Seen, sparsity: float) -> dict[str, Tensor]:
        new = rule(seen, sparsity)
        complaint = _complaint(new, seen.masks, sparsity)
        if complaint:
            raise UserError(f"pruning rule '{name}' {complaint}; correct the package that adds it")
        return {name: new[name] for name in seen.masks}

    return checked


def _complaint(new: object, masks: Mapping[str, Tensor], sparsity: float) -> str:
    if not isinstance(new, Mapping):
        return f"must return masks by parameter name, it returned a {type(new).__name__}"
    stray = next((name for name in [*masks, *new] if name not in new or name not in masks), None)
    if stray is not None:
        fault = "is missing" if stray in masks else "is none of them"
        return f"must return a mask for each weight it is given and no other; '{stray}' {fault}"
    for name, mask in masks.items():
        problem = _mask_problem(new[name], mask)
        if problem:
            return f"{problem} '{name}'"
    return _sparsity_problem(new, masks, sparsity)


def _mask_problem(new: object, mask: Tensor) -> str:
    if not isinstance(new, Tensor) or new.dtype != torch.bool:
        return (
            f"must return bool tensors, it returned {new.dtype if isinstance(new, Tensor) else type(new).__name__} for"
        )
    if new.shape != mask.shape or new.device != mask.device:
        return (
            f"must return masks of the shape and on the device of their weights, {tuple(mask.shape)} on {mask.device}, "
            f"it returned {tuple(new.shape)} on {new.device} for"
        )
    revived = int((new & ~mask).sum())
    return f"brings {revived} pruned weights back in" if revived else ""


def _sparsity_problem(new: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float) -> str:
    total = sum(mask.numel() for mask in masks.values())
    before, zeros = _zeros(masks), _zeros(new)
    asked = max(sparsity * total, before)  # what is gone stays gone, even where less is asked for
    if abs(zeros - asked) <= max(len(masks), SLACK * total):
        return ""
    return f"must set {asked / total:.2%} of the weights to zero, it set {zeros / total:.2%}"


def _zeros(masks: Mapping[str, Tensor]) -> int:
    return sum(mask.numel() - int(mask.sum()) for mask in masks.values())
