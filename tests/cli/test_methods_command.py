"""``prunegap methods``. Truth: the entry points of this installation, and what each class and function says itself."""

from importlib.metadata import entry_points

from click.testing import CliRunner

from prunegap.cli.entry import cli
from prunegap.pruning.magnitude import prune_globally
from prunegap.training.methods import find_method, method_names


def test_every_method_rule_and_controller_is_there_once_with_what_it_does():
    ended = CliRunner().invoke(cli, ["methods"])
    assert ended.exit_code == 0
    lines = ended.output.splitlines()
    told = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    says = {one[0]: one[1] for one in told}
    groups = ("prunegap.formulations", "prunegap.methods", "prunegap.pruning_rules", "prunegap.controllers")
    known = {one.name for group in groups for one in entry_points(group=group)}
    assert sorted(one[0] for one in told) == sorted({*known, *method_names()})
    assert says["pairwise"] == find_method("pairwise").summary
    assert says["global"] == (prune_globally.__doc__ or "").partition("\n")[0]
    assert all(len(text) > 20 for text in says.values())
    assert [line for line in lines if line and not line.startswith("  ")] == [
        "methods of fine-tuning", "pruning rules (prune.rule)", "controllers of the multipliers",
    ]  # fmt: skip
