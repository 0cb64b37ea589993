"""The page in a real browser. Truth: what Chromium lays out and paints; contrasts by WCAG's formula."""

from pathlib import Path

import pytest
from auditing.judged import WICKED, judged
from auditing.rows import HURT, SMALL
from report.browser import Browser, browser

from prunegap.report.audit_html import audit_page

__all__ = ["browser"]

MANY = {f"group {at}": (20 + 40 * (at % 7), 3 + at % 5, 2) for at in range(60)}
PAGES = {
    "wicked": lambda: [judged(WICKED)],
    "several": lambda: [judged(HURT), judged(SMALL)],
    "many": lambda: [judged(MANY)],
    "long": lambda: [judged({"L" * 300: (300, 60, 0), "a": (3000, 60, 60)})],
    "two-sided": lambda: [judged(WICKED, two_sided=True, candidates=3)],
}
OUTSIDE = """
[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll')
  && !one.matches('.row *, text.name, svg:has(> .name)')
  && one.getBoundingClientRect().width && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(one => one.outerHTML.slice(0, 90))
"""
NAMES_AND_SIZES_THAT_MEET = """
[...document.querySelectorAll('.intervals text.name')].filter(name => {
  const lane = name.parentElement.getBoundingClientRect(), here = name.getBoundingClientRect();
  const right = Math.min(here.right, name.closest('.intervals').getBoundingClientRect().left
    + parseFloat(name.parentElement.getAttribute('width')) / 100 * name.closest('.intervals').clientWidth);
  return [...document.querySelectorAll('.intervals text.dim')].some(size => {
    const there = size.getBoundingClientRect();
    return Math.abs(there.top - here.top) < 6 && there.left < right && there.right > here.left;
  });
}).map(one => one.textContent)
"""
PALE = """
(() => {
  const light = text => {
    const part = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(c => c / 255)
      .map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * part[0] + .7152 * part[1] + .0722 * part[2];
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
  const behind = one => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const poor = [];
  for (const one of document.querySelectorAll('main *')) {
    const style = getComputedStyle(one);
    const said = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const words = said && !one.closest('svg') || one.tagName === 'text';
    const line = ['path', 'line'].includes(one.tagName) && !/grid|rule/.test(one.getAttribute('class'));
    if (!words && !line) continue;
    const ink = line ? style.stroke : one.tagName === 'text' ? style.fill : style.color;
    const grounds = [behind(one)];
    if (one.closest('.intervals')) grounds.push(getComputedStyle(document.querySelector('.floor')).fill);
    for (const ground of grounds)
      if (contrast(ink, ground) < (line ? 3 : 4.5)) poor.push([one.outerHTML.slice(0, 60), ink, ground]);
  }
  return poor;
})()
"""


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "audit.html"
    path.write_text(audit_page(PAGES[request.param](), code_version="0.1.0", accept_undecidable=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_but_the_table_is_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(NAMES_AND_SIZES_THAT_MEET) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everything_can_be_read_in_both_colour_schemes(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, width=1280, dark=dark)
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") != dark
    assert browser.evaluate(PALE) == []


def test_the_picture_begins_on_the_first_screen_of_a_telephone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "audit.html"
    path.write_text(audit_page([judged(HURT)], code_version="0.1.0"), encoding="utf-8")
    browser.open(path, width=390)
    assert browser.evaluate("document.querySelector('figure').getBoundingClientRect().bottom") < 900
    assert browser.evaluate("document.querySelector('.verdict').getBoundingClientRect().bottom") < 450


def test_the_browser_reads_names_as_they_are_and_shows_the_picture_as_one_image(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    assert browser.evaluate("document.querySelectorAll('script').length") == 0
    browser.call("Accessibility.enable")
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    images = [one for one in tree if one.get("role", {}).get("value") in {"image", "img"} and not one.get("ignored")]
    said = [one["name"]["value"] for one in images]
    assert said
    assert all(one.startswith("Excess accuracy gap of each group by who, with its interval") for one in said)
    regions = [one["name"]["value"] for one in tree if one.get("role", {}).get("value") == "region"]
    assert regions == ["All figures, by who"] * len(said)


def test_on_paper_it_is_dark_on_light_and_what_is_folded_is_shown(browser: Browser, page: Path) -> None:
    folded = "[...document.querySelectorAll('details dl')].map(one => one.checkVisibility())"
    browser.open(page, width=1280)
    assert browser.evaluate(folded) == [False] * 3
    browser.open(page, width=1280, dark=True, media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate(folded) == [True] * 3
    assert browser.evaluate(PALE) == []
