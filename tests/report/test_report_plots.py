"""Plots. Truth: what matplotlib was asked to draw, read back as numbers, and PNG headers decoded by hand."""

import struct
from dataclasses import dataclass, replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from prunegap.errors import UserError
from prunegap.gaps import group_statistics
from prunegap.report.dynamics import plot_dynamics
from prunegap.report.gallery import draw_all
from prunegap.report.plot_style import label_text, method_styles
from prunegap.report.plots import plot_groups, plot_tradeoff
from prunegap.report.summary import summarise

ALL_METHODS = (
    "nft",
    "nft_es",
    "el",
    "el_rb",
    "ceag_no_rb",
    "ceag",
    "celg",
    "max_gap",
    "pairwise",
    "equal_eag",
    "approx_equal_eag",
    "two_sided_eag",
    "fairgrape",
    "mine",
    "yours",
)


@dataclass(frozen=True)
class Shown:
    method: str
    shown_name: str


def plot_group_gaps(evaluations, sparsity):
    gap = next(one for one in group_statistics() if one.name == "gap")
    return plot_groups(evaluations, sparsity, gap)


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they are saved; the real drawing goes on."""
    figures = []
    save = Figure.savefig

    def keep(self, *args, **kwargs):
        figures.append(self)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("count", [3, 10, 100])
def test_every_plot_is_a_png_of_readable_size(simulate, count, seeds):
    evaluations = simulate(names=[f"group {index}" for index in range(count)], seeds=seeds, per_group=10)
    for drawing in (plot_group_gaps(evaluations, 0.9), plot_tradeoff(summarise(evaluations), 0.9)):
        width, height = png_size(drawing.png)
        assert 600 <= width <= 1300
        assert 300 <= height <= 1300


def test_bars_stand_at_the_mean_gap_of_each_group_with_the_overall_gap_marked(simulate, drawn):
    evaluations = simulate(names=("a", "b", "c"))
    plot_group_gaps(evaluations, 0.9)
    train, test = drawn[0].axes
    assert train.get_title(loc="left") == "train"
    for axes, split in ((train, "train"), (test, "test")):
        for place, method in enumerate(("nft", "el_rb", "ceag")):
            runs = [run.splits[split] for run in evaluations if run.method == method]
            gaps = 100 * np.array([[group.value("gap") for group in run.groups] for run in runs])
            bars = axes.containers[2 * place + 1]
            assert [bar.get_height() for bar in bars] == pytest.approx(gaps.mean(axis=0).tolist())
            ends = bars.errorbar.lines[2][0].get_segments()
            assert [(end[1][1] - end[0][1]) / 2 for end in ends] == pytest.approx(gaps.std(axis=0, ddof=1).tolist())
            overall = 100 * np.mean([run.value("overall_gap") for run in runs])
            marks = [line for line in axes.collections if len(line.get_segments()) == 3]
            assert any(np.allclose([seg[0][1] for seg in line.get_segments()], overall) for line in marks)


def test_of_100_groups_the_16_worst_of_any_method_on_test_are_drawn(simulate, drawn):
    names = [f"class {index}" for index in range(100)]
    evaluations = simulate(names=names, seeds=(0,))
    plot_group_gaps(evaluations, 0.9)
    labels = [label.get_text() for label in drawn[0].axes[1].get_xticklabels()]
    drawn_names = {label.replace("\n", " ") for label in labels}
    excess = np.array([[group.value("excess_gap") for group in run.splits["test"].groups] for run in evaluations])
    rank = (-excess).argsort(axis=1, kind="stable").argsort(axis=1).min(axis=0)
    assert len(labels) == 16
    assert {names[place] for place in excess.argmax(axis=1)} <= drawn_names
    left_out = [rank[place] for place, name in enumerate(names) if name not in drawn_names]
    assert max(rank[names.index(name)] for name in drawn_names) <= min(left_out)
    assert "16 groups hurt most on test, of 100" in drawn[0].axes[0].get_title(loc="left")


def test_the_tradeoff_puts_each_method_at_its_means_with_a_line_at_the_tolerance(simulate, drawn):
    rows = summarise(simulate())
    plot_tradeoff(rows, 0.9)
    for axes, split in zip(drawn[0].axes, ("train", "test"), strict=True):
        points = [container.lines[0] for container in axes.containers]
        figures = [row.splits[split] for row in rows]
        assert [line.get_xdata()[0] for line in points] == [100 * one["accuracy"].mean for one in figures]
        assert [line.get_ydata()[0] for line in points] == [100 * one["max_psi"].mean for one in figures]
        assert any(np.allclose(line.get_ydata(), 3.0) for line in axes.lines)


def test_dynamics_draw_every_trace_in_points_and_leave_unobserved_steps_out(simulate_history, drawn):
    history = simulate_history(steps=30)
    plot_dynamics(history)
    multipliers, violations = drawn[0].axes
    for place, name in enumerate(("White", "Black", "Asian", "maximum")):
        line = next(line for line in violations.lines if line.get_label() == name)
        values = np.array([np.nan if row[place] is None else row[place] for row in history.trace.violations])
        assert np.isnan(values).sum() == 10
        np.testing.assert_allclose(line.get_ydata(), 100 * values)
        line = next(line for line in multipliers.lines if line.get_label() == name)
        np.testing.assert_allclose(line.get_ydata(), np.array(history.trace.multipliers)[:, place])


def test_a_loss_violation_is_not_shown_as_points(simulate_history, drawn):
    history = simulate_history(method="el_rb", steps=30)
    plot_dynamics(history)
    assert drawn[0].axes[1].get_ylabel() == "violation (as measured)"
    last = drawn[0].axes[1].lines[0].get_ydata()[-1]
    assert last == pytest.approx(history.trace.violations[-1][0])


@pytest.mark.parametrize(("method", "shown"), [("ceag", ("points", 100)), ("el_rb", ("as measured", 1))])
@pytest.mark.parametrize("label", ["", "mine", "nft"])
def test_the_unit_of_violations_is_the_methods_whatever_it_is_called(simulate_history, drawn, method, shown, label):
    unit, scale = shown
    history = replace(simulate_history(method=method, steps=30), label=label)
    plot_dynamics(history)
    multipliers, violations = drawn[0].axes
    assert violations.get_ylabel() == f"violation ({unit})"
    assert violations.lines[0].get_ydata()[-1] == pytest.approx(scale * history.trace.violations[-1][0])
    assert multipliers.get_title(loc="left").startswith(f"Multipliers: {label or method}, 90 %")


def test_a_history_without_constraints_is_refused_alone_and_skipped_in_the_gallery(simulate, simulate_history):
    plain = replace(simulate_history(method="nft"), trace=None)
    with pytest.raises(UserError, match=r"method 'nft' recorded no constraints"):
        plot_dynamics(plain)
    evaluations = simulate(sparsities=(0.9, 0.925))
    histories = [plain, simulate_history(seed=2), simulate_history(seed=1)]
    pictures = draw_all(summarise(evaluations), evaluations, histories)
    assert [picture.name for picture in pictures] == [
        "group_gaps_90",
        "tradeoff_90",
        "group_gaps_92p5",
        "tradeoff_92p5",
        "dynamics_ceag_90_seed1",
    ]
    assert all(picture.alt and picture.caption and png_size(picture.drawing.png) for picture in pictures)


def test_pictures_of_methods_that_differ_in_case_alone_are_two_files_on_every_disk(simulate, simulate_history):
    evaluations = simulate()
    histories = [simulate_history(method=method, steps=30) for method in ("ceag", "CEAG")]
    names = [picture.name for picture in draw_all(summarise(evaluations), evaluations, histories)]
    assert names[2:] == ["dynamics_ceag_90_seed0", "dynamics_CEAG_90_seed0_2"]


def test_every_method_looks_different_and_the_same_whatever_is_drawn_beside_it():
    styles = method_styles([Shown(name, name) for name in ALL_METHODS])
    assert len({(style.colour, style.marker) for style in styles.values()}) == len(ALL_METHODS)
    assert len({(style.colour, style.hatch) for style in styles.values()}) == len(ALL_METHODS)
    assert method_styles([Shown("ceag", "ceag"), Shown("nft", "nft")])["ceag"] == styles["ceag"]


def test_a_label_is_no_disguise_for_another_methods_look():
    styles = method_styles([Shown("ceag", "nft"), Shown("ceag", "ceag"), Shown("ceag", "ceag_k5")])
    usual = method_styles([Shown("nft", "nft"), Shown("ceag", "ceag")])
    assert styles["ceag"] == usual["ceag"]
    assert styles["nft"] != usual["nft"]
    assert len(set(styles.values())) == 3


def test_names_are_wrapped_and_never_read_as_mathematics(simulate):
    assert label_text("Latino_Hispanic male", 10) == "Latino_\nHispanic\nmale"
    assert label_text("$5 to $10", 30) == r"\$5 to \$10"
    assert label_text("_hidden", 30) == " _hidden"
    assert label_text("x" * 100, 10).count("\n") == 2
    png_size(plot_group_gaps(simulate(names=("$\\frac{", "", "人", "_x")), 0.9).png)


def test_nothing_at_the_sparsity_is_said_in_one_line(simulate):
    with pytest.raises(UserError, match=r"nothing was evaluated on split 'train' at 50 % sparsity"):
        plot_group_gaps(simulate(), 0.5)
    with pytest.raises(UserError, match=r"nothing was evaluated at 50 % sparsity"):
        plot_tradeoff(summarise(simulate()), 0.5)
