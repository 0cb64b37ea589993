"""The HTML page. Truth: what html.parser reads, PNGs decoded by Pillow, numpy means of the records."""

import base64
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from report.judging import verdict_on

from prunegap.errors import UserError
from prunegap.report.findings import findings
from prunegap.report.html import write_html
from prunegap.report.summary import summarise

WICKED = "<b>&\"'</b><script>alert(1)</script>"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes, all text, and whether every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def page(simulate, simulate_history, tmp_path):
    def make(parameters=None, histories=(), **settings):
        evaluations = simulate(**settings)
        path = tmp_path / "comparison.html"
        write_html(
            summarise(evaluations),
            evaluations,
            histories,
            verdict_on(evaluations),
            path,
            code_version="0.1.0+abc",
            parameters=parameters,
        )
        return evaluations, path.read_text(encoding="utf-8")

    return make


def test_the_page_is_whole_and_fetches_nothing(page, simulate_history):
    _, text = page(sparsities=(0.9, 0.925), histories=[simulate_history()])
    read = Page(text)
    assert read.open == []
    names = [tag for tag, _ in read.tags]
    assert not {"script", "link", "iframe", "object", "base"} & set(names)
    anchors = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    for _, attributes in read.tags:
        for name in ("href", "src"):
            value = attributes.get(name, "#comparison")
            assert value.startswith("data:image/svg+xml;base64,") or value.removeprefix("#") in anchors
        assert not [name for name in attributes if name.startswith("on")]
    assert "http://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_every_image_has_a_text_and_decodes(page, simulate_history):
    _, text = page(sparsities=(0.9, 0.925), histories=[simulate_history()])
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert len(images) == 2 * 2 + 1
    for attributes in images:
        assert len(attributes["alt"]) > 40
        drawn = base64.b64decode(attributes["src"].removeprefix("data:image/svg+xml;base64,"), validate=True).decode()
        root = ElementTree.fromstring(drawn)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.attrib["width"].removesuffix("pt")) > 350
        assert {"image", "script"}.isdisjoint(element.tag.rpartition("}")[2] for element in root.iter())
        links = [value for one in root.iter() for name, value in one.attrib.items() if name.endswith("href")]
        assert all(link.startswith("#") for link in links)  # nothing is fetched


def test_names_and_parameters_are_escaped_everywhere(page, simulate_history):
    wicked = WICKED
    names = (wicked, "b", "c")
    _, text = page({wicked: [wicked]}, [simulate_history(names=names)], names=names)
    read = Page(text)
    assert not {"b", "script"} & {tag for tag, _ in read.tags}
    assert wicked in read.words()


def test_a_method_data_set_and_model_are_escaped_in_text_and_attributes(simulate, tmp_path):
    wicked = [
        replace(one, method=f'" onerror="{one.method}{WICKED}', dataset=WICKED, model=WICKED, target=WICKED)
        for one in simulate()
    ]
    write_html(summarise(wicked), wicked, [], verdict_on(wicked), tmp_path / "page.html", code_version=WICKED)
    read = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not {"b", "script"} & {tag for tag, _ in read.tags}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert all(WICKED in attributes["alt"] for tag, attributes in read.tags if tag == "img")


def test_where_no_group_is_hurt_more_than_the_average_the_words_say_so(simulate):
    evaluations = simulate(names=("everyone",))
    for _, sentence in findings(summarise(evaluations), evaluations, 0.9, verdict_on(simulate())).hurt:
        assert sentence.endswith("%; no group is hurt more than the average.")


def test_the_words_name_the_feasible_methods_the_groups_hurt_most_and_the_caveat(page):
    evaluations, text = page(per_group=400)
    words = Page(text).words()
    rows = {row.method: row for row in summarise(evaluations)}
    assert rows["ceag"].feasible_on_train
    assert not rows["nft"].feasible_on_train
    ceag, nft = (f"{name} (max psi {100 * rows[name].splits['train']['max_psi'].mean:.2f})" for name in ("ceag", "nft"))
    assert f"Feasible on train at a tolerance of 3 points: {ceag}. Not feasible: {nft}" in words
    runs = [run.splits["test"] for run in evaluations if run.method == "nft"]
    excess = 100 * np.mean([[group.value("excess_gap") for group in run.groups] for run in runs], axis=0)
    worst = int(excess.argmax())
    assert f"Hurt most: {runs[0].groups[worst].name}, {excess[worst]:.2f} points more than the average" in words
    assert f"falls by {100 * np.mean([run.value('overall_gap') for run in runs]):.2f} points on test" in words
    assert "undecidable that the examples are too few to say" in words


def test_the_page_says_where_it_comes_from(page):
    _, text = page({"epochs": 60, "methods": ["nft", "ceag"], "source": None})
    words = Page(text).words()
    for phrase in ("small_cnn", "faces", "0, 1, 2", "0.1.0+abc", "parameter epochs 60", '["nft", "ceag"]'):
        assert phrase in words
    for term in ("excess accuracy gap", "Psi_PW", "churn", "tolerance", "Sample standard deviation"):
        assert term in words


@pytest.mark.parametrize("splits", [("train",), ("test",), ("train", "validation", "test")])
def test_the_page_holds_whatever_splits_there_are(page, splits):
    _, text = page(splits=splits, seeds=(0,))
    words = Page(text).words()
    assert all(f"{split} split" in words for split in splits)
    assert f"on {splits[-1]}, to" in words


def test_the_methods_shown_are_explained_by_their_own_words_and_no_other(simulate, tmp_path):
    labelled = [replace(one, label="quick") if one.method == "ceag" else one for one in simulate()]
    silent = [replace(one, summary="") if one.method == "nft" else one for one in labelled]
    write_html(summarise(silent), silent, [], verdict_on(silent), tmp_path / "page.html", code_version="0")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    after = " ".join(Page(text).text).split("Methods", 1)[1].split("Provenance")[0]
    assert " ".join(after.split()) == "el_rb What el_rb does. quick (ceag) What ceag does."


def test_tolerances_that_differ_by_method_are_named_with_the_method(simulate):
    evaluations = [replace(one, tolerance=0.5) if one.method == "nft" else one for one in simulate()]
    found = findings(summarise(evaluations), evaluations, 0.9, verdict_on(evaluations))
    assert found.feasibility.startswith("Feasible on train at its own tolerance: nft (max psi")
    assert ", tolerance 50)" in found.feasibility


def test_no_evaluation_or_several_data_sets_make_no_page(simulate, tmp_path):
    path = tmp_path / "comparison.html"
    with pytest.raises(UserError, match=r"no evaluation to compare"):
        write_html([], [], [], verdict_on(simulate()), path, code_version="0")
    mixed = [*simulate(), *(replace(one, dataset="digits") for one in simulate())]
    with pytest.raises(UserError, match=r"groups of different data cannot share a table"):
        write_html(summarise(mixed), mixed, [], verdict_on(mixed), path, code_version="0")
    assert not path.exists()


def test_the_page_says_which_layers_stayed_dense(simulate, tmp_path):
    roles = {"input": ["stem"], "classifier": ["head"], "kept": [], "idle": [], "other": [], "prunable": ["a", "b"]}
    known = [replace(one, layers=roles) for one in simulate()]
    write_html(summarise(known), known, [], verdict_on(known), tmp_path / "page.html", code_version="0")
    words = Page((tmp_path / "page.html").read_text(encoding="utf-8")).words()
    assert "layers dense stay stem (input layer); head (classifier) methods" in words
