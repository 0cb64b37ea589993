"""Two values of every parameter of every stage, and what in the result must differ between them.

A new parameter needs an entry here. Where one value counts only among certain others, ``around`` gives those; where it
counts in several ways, a tuple of pairs does. ``{here}`` is a folder with the files of ``tiny_values.write_files``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Pair:
    """Two values whose results differ in the parts ``changes``.

    With a reason they differ in nothing of the result, or by no more than ``within``: ``changes`` are parts of
    ``results.HOW`` then.
    """

    one: Any
    other: Any
    changes: tuple[str, ...] = ("weights",)
    around: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reason: str = ""
    within: float = 0.0

    def among(self, **around: Any) -> "Pair":
        return replace(self, around={**self.around, **around})


Effects = dict[str, tuple[Pair, ...]]
HOW_NOT_WHAT = "says how it is computed, not what"


def no_effect(one: Any, other: Any, *changes: str, reason: str = HOW_NOT_WHAT, **around: Any) -> tuple[Pair, ...]:
    return (Pair(one, other, changes, around, reason),)


def compute(*parts: str, trains: bool) -> Effects:
    """Effects of ComputeParams on a stage whose result is ``parts``."""
    layouts = ("input layout", "weight layout") if trains else ("input layout",)
    return {
        "device": no_effect("auto", "cpu"),
        # Another number of threads sums in another order.
        "threads": (Pair(1, 2, ("threads",), reason=HOW_NOT_WHAT, within=1e-3),),
        "precision": (Pair("float32", "bfloat16", (*parts, "activations")),),
        "channels_last": (Pair(False, True, layouts),),
        "evaluation_batch_size": (Pair(4, 256, ("evaluation batches",)),),
    }


TRAINING: Effects = {
    "batch_size": (Pair(8, 12, ("weights", "training batches")),),
    "learning_rate": (Pair(0.05, 0.06),),
    "momentum": (Pair(0.5, 0.9),),
    "nesterov": (Pair(False, True, around={"momentum": 0.9}),),
    "weight_decay": (Pair(0.0, 0.1),),
    "milestones": (Pair((), (0.4,)),),
    "gamma": (Pair(0.1, 0.5, around={"milestones": (0.4,)}),),
    "flip": (Pair(False, True),),
    "shift": (Pair(0, 1), Pair(1, 2)),
    "checkpoint_every": no_effect(1, 2, "saves"),
}
DUAL: Effects = {
    "controller": (Pair("gradient_ascent", "momentum", ("weights", "entries", "trace")),),
    "controller_options": (Pair((), ("bound=0.0001",), ("weights", "entries", "trace")),),
    "dual_step_size": (Pair(0.2, 0.5, ("weights", "entries", "trace")),),
    "buffer_size": (Pair(2, 3, ("weights", "entries", "trace")),),
    "overall_estimate": (Pair("share", "balanced", ("weights", "entries", "trace")),),
    "equality": (
        Pair("signed", "absolute", ("weights", "entries"), {"method": "el"}),
        Pair("signed", "absolute", ("weights", "entries"), {"method": "el_rb"}),
    ),
}


def untraced(effects: Effects, **around: Any) -> Effects:
    """The same effects on a stage that records no trace of its steps."""
    return {
        name: tuple(
            replace(pair.among(**around), changes=tuple(part for part in pair.changes if part != "trace"))
            for pair in pairs
        )
        for name, pairs in effects.items()
    }


PREPARE_DATA: Effects = {
    "source_options": (Pair(("side=4",), ("side=5",), ("images",), {"source": "squares"}),),
    "source": (Pair("table", "class_folders", ("images", "refused")),),
    "location": (Pair("{here}/people.csv", "{here}/fewer.csv", ("images", "rows")),),
    "download": (Pair(False, True, ("refused",), {"source": "mnist", "location": "{here}/mnist"}),),
    "image_column": (Pair("image", "picture", ("images", "rows")),),
    "label_column": (Pair("label", "kind", ("labels", "groups", "names")),),
    "part_column": (Pair("part", "fold", ("images", "rows")),),
    "target": (Pair("", "kind", ("labels", "names")),),
    "group_by": (Pair((), ("sex",), ("groups", "names")), Pair(("sex",), ("sex", "label"), ("groups", "names"))),
    "drop_groups": (Pair((), ("q",), ("groups", "names", "rows"), {"group_by": ("kind",)}),),
    "class_names": (Pair((), ("y", "x"), ("labels", "names")),),
    "image_size": (Pair(0, 6, ("images",)),),
    "channels": (Pair(0, 1, ("images",)), Pair(3, 1, ("images",))),
    "split": (
        Pair("given", "content_hash", ("rows",)),
        Pair("auto", "random", ("rows",)),
        Pair("random", "utkface_paper", ("rows",)),
        Pair("auto", "given", (), reason="auto means given where the source gives parts"),
        Pair("auto", "content_hash", (), {"part_column": "none"}, reason="auto means content_hash where it gives none"),
    ),
    "test_share": (
        Pair(0.2, 0.5, ("rows",), {"split": "content_hash"}),
        Pair(0.2, 0.5, ("rows",), {"split": "utkface_paper"}),
        Pair(0.2, 0.5, ("rows",), {"split": "random"}),
    ),
    "validation_share": (Pair(0.0, 0.3, ("rows",)), Pair(0.2, 0.3, ("rows",))),
    "split_seed": (Pair(0, 1, ("rows",), {"split": "random"}), Pair(0, 1, ("rows",), {"validation_share": 0.3})),
    "salt": (Pair("", "pepper", ("rows",), {"split": "content_hash"}),),
    "split_by": (
        Pair("", "sex", ("rows",), {"split": "content_hash", "group_by": ("kind",), "repeats": "keep"}),
        Pair("", "sex", ("rows",), {"split": "random", "group_by": ("kind",), "repeats": "keep"}),
        Pair("", "sex", ("refused",), {"split": "given"}),
    ),
    "repeats": (
        Pair(
            "drop",
            "keep",
            ("rows", "left out"),
            {"split": "random", "split_by": "sex", "group_by": ("kind",), "test_share": 0.5},
        ),
    ),
    "channel_mean": (Pair((), (0.5, 0.4, 0.3), ("normalisation",)),),
    "channel_std": (Pair((), (0.5, 0.4, 0.3), ("normalisation",)),),
    "on_bad_rows": (Pair("fail", "skip", ("refused", "left out"), {"location": "{here}/broken.csv"}),),
    "cache_dir": no_effect("{here}/one", "{here}/two"),
}
NORMALISED: Mapping[str, Any] = {
    "weights": "{here}/three.safetensors",
    "weights_mean": (0.5, 0.5, 0.5),
    "weights_std": (0.2, 0.2, 0.2),
}
ACQUIRE_DENSE: Effects = {
    **compute("weights", trains=True),
    **TRAINING,
    **untraced(DUAL, method="el_rb"),
    "equality": untraced(DUAL)["equality"],
    "model": (Pair("small_cnn", "stages.tiny_network:build"),),
    "weights": (Pair("", "{here}/three.safetensors"), Pair("{here}/other.safetensors", "{here}/three.safetensors")),
    "sha256": (Pair("", "0123456789", ("refused",), {"weights": "{here}/three.safetensors"}),),
    "head_rows": (Pair((), (2, 0, 1), around={"weights": "{here}/three.safetensors", "epochs": 0}),),
    "replace_head": (Pair(False, True, ("refused", "weights"), {"weights": "{here}/five.safetensors"}),),
    "weights_classes": (
        Pair((), ("middle", "left", "right"), ("classes", "weights"), {"weights": "{here}/three.safetensors"}),
    ),
    "weights_mean": (Pair((0.5, 0.5, 0.5), (0.4, 0.4, 0.4), ("weights", "normalisation"), NORMALISED),),
    "weights_std": (Pair((0.2, 0.2, 0.2), (0.3, 0.3, 0.3), ("weights", "normalisation"), NORMALISED),),
    "epochs": (Pair(0, 1), Pair(1, 2)),
    "method": (Pair("nft", "el_rb"), Pair("el", "el_rb")),
    "seed": (Pair(0, 1, around={"epochs": 0}), Pair(0, 1, around={"weights": "{here}/three.safetensors"})),
    "cache_dir": no_effect("{here}/one", "{here}/two", weights="{here}/three.safetensors"),
}
PRUNE: Effects = {
    **compute("weights", trains=True),
    **TRAINING,
    "sparsity": (Pair(0.5, 0.7, ("masks",)),),
    "rule": (Pair("layerwise", "global", ("masks",)),),
    "keep_dense": (Pair((), ("linear2",), ("masks",)),),
    "gmp_epochs": (Pair(0, 1), Pair(1, 2)),
    "finetune_epochs": (Pair(1, 2, around={"milestones": (0.5,)}),),
    "start_epoch": (Pair(0, 1, around={"gmp_epochs": 3}),),
    "prune_every": (Pair(1, 2, around={"gmp_epochs": 3}),),
    "initial_sparsity": (Pair(0.0, 0.3),),
    "seed": (Pair(0, 1),),
}
FINETUNE: Effects = {
    **compute("weights", trains=True),
    **DUAL,
    "method": (Pair("nft", "ceag"), Pair("ceag", "ceag_no_rb"), Pair("nft", "nft_es")),
    "label": (Pair("", "mine", ("told",)),),
    "tolerance": (Pair(0.0, 0.2, ("weights", "entries", "trace")),),
    "checkpoint_every": no_effect(1, 2, "saves"),
}
EVALUATE: Effects = {
    **compute("losses", "figures", trains=False),
    "dataset_name": (Pair("", "Faces", ("told",)),),
    "tolerance": (Pair(0.0, 1.0, ("figures",)),),
    "alpha": (Pair(0.05, 0.5, ("figures",)),),
}
GATE: Effects = {
    "tolerance": (Pair(-1.0, 0.9, ("models",)),),
    "split": (Pair("", "validation", ("models", "told")), Pair("", "test", (), reason="test is there")),
    "alpha": (Pair(0.05, 0.5, ("models",)),),
    "rule": (Pair("bonferroni", "fixed_sequence", ("told",)),),
    "candidates": (Pair(0, 5, ("models",)), Pair(0, 2, (), reason="two models are judged")),
    "two_sided": (Pair(False, True, ("models",)),),
    "merge_below": (Pair(0, 1000, ("refused", "models")),),
    "leave_out": (Pair((), ("nobody",), ("refused", "models")),),
    "accept_undecidable": (Pair(False, True, ("told",)),),
    "enforce": (Pair(True, False, (), reason="decides whether a run goes on"),),
}
EFFECTS: Mapping[str, Effects] = {
    "prepare_data": PREPARE_DATA,
    "acquire_dense": ACQUIRE_DENSE,
    "measure_baseline": compute("losses", "figures", trains=False),
    "prune": PRUNE,
    "finetune": FINETUNE,
    "evaluate": EVALUATE,
    "gate": GATE,
    "compare": {"title": (Pair("", "Digits", ("files",)),)},
}
