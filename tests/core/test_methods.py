"""Every method says what it does. Truth: the methods that are registered, and a class with a docstring."""

import pytest

from prunegap.constraints import formulation
from prunegap.constraints.formulations.excess_accuracy_gaps import ExcessAccuracyGaps
from prunegap.training.methods import find_method, method_names


def test_every_method_says_what_it_does_in_words_of_its_own():
    summaries = {name: find_method(name).summary for name in method_names()}
    assert all(len(text) > 20 and text.endswith(".") for text in summaries.values())
    assert len(set(summaries.values())) == len(summaries)
    assert summaries["el_rb"] == "As el, measured with replay buffers."


@pytest.mark.parametrize(("summary", "told"), [("", "What it does."), ("Something else.", "Something else.")])
def test_without_a_summary_the_first_line_of_the_docstring_tells(monkeypatch, summary, told):
    monkeypatch.setattr(formulation, "_METHODS", {})

    class Mine(ExcessAccuracyGaps):
        """What it does.

        And more.
        """

    formulation.method("mine", buffers=True, summary=summary)(Mine)
    assert formulation._METHODS["mine"].summary == told
