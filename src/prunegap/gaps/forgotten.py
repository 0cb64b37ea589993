"""Examples that pruning forgets: a population of dense models agrees on another class than one of sparse models does.

Hooker et al. 2019, "What Do Compressed Deep Neural Networks Forget?", Section 2.2: pruning-identified exemplars, those
whose modal class differs between the two populations.
"""

import torch

from prunegap.shapes import ExampleBools, ExampleClassBools, ExampleClassInts, ExampleFloats, ModelClasses


def forgotten(dense: ModelClasses, sparse: ModelClasses) -> ExampleBools:
    """Return the examples on whose class the sparse models agree otherwise than the dense ones do.

    Where several classes are predicted equally often, all of them are modal, and an example is forgotten only if none
    is modal in both populations: the paper leaves that open, and so a tie is no finding.

    Args:
        dense: class that each dense model predicts, a row a model.
        sparse: the same of the sparse models, whose number may differ.
    """
    classes = 1 + int(torch.cat([dense, sparse]).max()) if dense.numel() else 0
    return ~(modal(dense, classes) & modal(sparse, classes)).any(dim=1)


def modal(predicted: ModelClasses, num_classes: int) -> ExampleClassBools:
    """Return, for each example, the classes that no other is predicted more often than.

    Args:
        predicted: classes, a row a model.
        num_classes: how many classes there are.
    """
    votes = _votes(predicted, num_classes)
    return votes == votes.amax(dim=1, keepdim=True)


def disagreement(predicted: ModelClasses) -> ExampleFloats | None:
    """Return, for each example, the share of pairs of models that predict different classes; None for one model.

    Among dense models it is what training anew changes, to read beside it what pruning changes.
    """
    models = len(predicted)
    if models < 2:
        return None
    votes = _votes(predicted, 1 + int(predicted.max()) if predicted.numel() else 0)
    return 1 - (votes * (votes - 1)).sum(dim=1).double() / (models * (models - 1))


def _votes(predicted: ModelClasses, num_classes: int) -> ExampleClassInts:
    votes = torch.zeros(predicted.shape[1], num_classes, dtype=torch.int64, device=predicted.device)
    return votes.scatter_add_(1, predicted.T, torch.ones_like(predicted.T))
