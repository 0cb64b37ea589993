"""The chart of intervals. Truth: positions worked out by hand, read from what an XML parser finds."""

from xml.etree import ElementTree

import pytest

from prunegap.report.chart_axis import axis_of, tick_text
from prunegap.report.interval_chart import Panel, Row, interval_chart, mark_symbol
from prunegap.report.plain_names import legal, shortened

WHAT = {"title": "what", "description": "says", "anchor": "here"}
SVG = "{http://www.w3.org/2000/svg}"
HURT = Row("hurt", 400, 0.10, 0.05, 0.15, "above", limit=0.14)
FINE = Row("fine", 900, -0.05, -0.10, 0.0, "within")
UNSURE = Row("unsure", 9, 0.02, -0.80, 0.90, "open", small=True)


def drawn(*panels: Panel):
    return ElementTree.fromstring(interval_chart(panels, **WHAT))


def having(root, kind: str, tag: str = "*"):
    return [one for one in root.iter(SVG + tag if tag != "*" else None) if kind in one.get("class", "").split()]


def percent(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1])


def marks(root) -> list[tuple[float, str]]:
    """Where each mark is, and which it is: a nested picture that holds one path."""
    nested = [one for one in root.iter(f"{SVG}svg") if len(one) and "mark" in one[0].get("class", "").split()]
    return [(percent(one.attrib["x"]), one[0].attrib["class"].split()[1]) for one in nested]


def test_marks_and_intervals_lie_where_their_values_are() -> None:
    # Values from -10 to +15 points, with a margin of 4 % of these 25 on both sides: -11 to +16, 27 points wide.
    root = drawn(Panel([HURT, FINE], tolerance=0.05, floor=(0.0, 0.04)))

    def at(points: float) -> float:
        return (points + 11) / 27 * 100

    assert marks(root) == [
        (pytest.approx(at(10), abs=1e-3), "above"),
        (pytest.approx(at(-5), abs=1e-3), "within"),
    ]
    first, second = having(root, "interval")
    assert [percent(first.attrib[end]) for end in ("x1", "x2")] == pytest.approx([at(5), at(15)], abs=1e-3)
    assert [percent(second.attrib[end]) for end in ("x1", "x2")] == pytest.approx([at(-10), at(0)], abs=1e-3)
    [line] = having(root, "tolerance")
    assert percent(line.attrib["x1"]) == percent(line.attrib["x2"]) == pytest.approx(at(5), abs=1e-3)
    [band] = having(root, "floor")
    assert percent(band.attrib["x"]) == pytest.approx(at(0), abs=1e-3)
    assert percent(band.attrib["width"]) == pytest.approx(4 / 27 * 100, abs=1e-3)
    assert [one.attrib["y1"] for one in (first, second)] == ["26", "64"], "in the middle of rows of 38 pixels"
    [limit] = [one for one in root.iter(f"{SVG}svg") if len(one) and "limit" in one[0].get("class", "").split()]
    assert percent(limit.attrib["x"]) == pytest.approx(at(14), abs=1e-3)
    assert [one.text for one in having(root, "tick")] == ["-10", "-5", "0", "+5", "+10", "+15"]


def test_each_finding_has_a_shape_of_its_own_and_not_a_colour_alone() -> None:
    root = drawn(Panel([HURT, FINE, UNSURE]))
    shapes = {one.attrib["class"]: one.attrib["d"] for one in having(root, "mark")}
    assert len(set(shapes.values())) == len(shapes) == 3
    assert len({mark_symbol(one) for one in ("within", "above", "open")}) == 3


def test_small_groups_are_pale_and_said_to_be_small_but_harm_is_never_pale() -> None:
    hurt = Row("few and hurt", 9, 0.6, 0.3, 0.9, "above", small=True)
    root = drawn(Panel([hurt, HURT, UNSURE]))
    assert [one.attrib["class"] for one in having(root, "row")] == ["row", "row", "row small"]
    sizes = [one.text for one in having(root, "dim") if one.text and "example" in one.text]
    assert sizes == ["9 examples (small)", "400 examples", "9 examples (small)"]


def test_the_interval_of_a_small_group_does_not_squeeze_the_others() -> None:
    root = drawn(Panel([HURT, UNSURE]))
    # 0 to 15 points: the small group's 170 points go beyond both ends, and an arrow says so.
    assert marks(root)[0][0] == pytest.approx((10 + 0.6) / 16.2 * 100, abs=1e-3)
    wide = having(root, "interval")[1]
    assert (wide.attrib["x1"], wide.attrib["x2"]) == ("0.000%", "100.000%")
    assert len(having(root, "beyond")) == 2
    assert not having(drawn(Panel([UNSURE])), "beyond"), "small groups alone have the axis for themselves"


def test_a_limit_beyond_the_interval_is_on_the_axis_too() -> None:
    root = drawn(Panel([Row("a", 400, 0.10, 0.05, 0.15, "open", limit=0.30)]))
    [limit] = [one for one in root.iter(f"{SVG}svg") if len(one) and "limit" in one[0].get("class", "").split()]
    assert percent(limit.attrib["x"]) == pytest.approx((30 + 1.2) / 32.4 * 100, abs=1e-3)


def test_panels_share_rows_and_axis() -> None:
    other = [Row("fine", 900, 0.30, 0.20, 0.40, "above"), Row("only there", 5, None, None, None, "open")]
    root = drawn(Panel([HURT, FINE], "NFT", 0.05), Panel(other, "CEAG", 0.05, two_sided=True))
    names = having(root, "name")
    assert [one.text for one in names] == ["hurt", "fine", "only there"]
    assert [one.text for one in having(root, "panel-title")] == ["NFT", "CEAG"]
    # Two panels of 49 % with 2 % between them; -10 to +40 points with 2 points of margin: 54 wide.
    assert marks(root) == [
        (pytest.approx(49 * 22 / 54, abs=1e-3), "above"),
        (pytest.approx(49 * 7 / 54, abs=1e-3), "within"),
        (pytest.approx(51 + 49 * 42 / 54, abs=1e-3), "above"),
    ]
    rows = having(root, "interval")
    assert rows[1].attrib["y1"] == rows[2].attrib["y1"] != rows[0].attrib["y1"], "a group's row is one in all panels"
    lines = [percent(one.attrib["x1"]) for one in having(root, "tolerance")]
    assert lines == pytest.approx([49 * 17 / 54, 51 + 49 * 17 / 54, 51 + 49 * 7 / 54], abs=1e-3)
    assert "no estimate" in [one.text for one in having(root, "dim")]
    assert root.get("class") == "intervals"
    assert drawn(*[Panel([HURT], "one")] * 3).get("class") == "intervals wide"
    with pytest.raises(ValueError, match="a panel with a row"):
        drawn(Panel([]))


def test_the_picture_is_told_to_those_who_do_not_see_it_and_names_cannot_break_it() -> None:
    wicked = '<script>"x"&amp;\'\n' + "L" * 300 + "\x00\ud800"
    text = interval_chart(
        [Panel([Row(wicked, 1, 0.0, 0.0, 0.0, "open")])], title=wicked, description="d\x07", anchor="a"
    )
    root = ElementTree.fromstring(text)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "a-title a-description")
    titles = {one.get("id"): one.text for one in root}
    assert titles["a-title"] == legal(wicked)
    assert titles["a-description"] == "d\N{REPLACEMENT CHARACTER}"
    [name] = having(root, "name")
    assert name.text is not None
    assert len(name.text) == 30
    assert name.text.endswith("…")
    assert not [one for one in root.iter() if "script" in one.tag]
    assert next(one.text for one in having(root, "dim")) == "1 example"


def test_names_are_shortened_by_what_they_take_not_by_how_many_characters_they_are() -> None:
    assert shortened("a  b\nc", 5) == "a b c"
    assert shortened("abcdef", 5) == "abcd…"
    assert shortened("肤色肤色", 8) == "肤色肤色"
    assert shortened("肤色肤色", 7) == "肤色肤…"
    assert shortened("e\N{COMBINING ACUTE ACCENT}" * 5, 5) == "e\N{COMBINING ACUTE ACCENT}" * 5


@pytest.mark.parametrize(
    ("values", "most", "ticks"),
    [
        ((0.03, -0.01), 5, ["-1", "0", "+1", "+2", "+3"]),
        ((0.9,), 4, ["0", "+50"]),
        ((), 5, ["0", "+0.5", "+1"]),
        ((-0.004, 0.0), 3, ["-0.4", "-0.2", "0"]),
    ],
)
def test_an_axis_has_few_round_ticks_and_always_0(values: tuple[float, ...], most: int, ticks: list[str]) -> None:
    axis = axis_of(values, most)
    assert [tick_text(one) for one in axis.ticks if not axis.beyond(one)][: len(ticks)] == ticks
    assert len(axis.ticks) <= most + 1
    assert not axis.beyond(0.0)
    assert (axis.share(axis.low - 1), axis.share(axis.high + 1)) == (0.0, 1.0)
