"""Markdown that says what it is given: names of groups may hold any sign, and figures carry their unit."""

import re
import unicodedata
from functools import cache
from html import escape

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_ANYWHERE = re.compile(r"([\\`*_\[\]|~$#])")
_AT_THE_START = re.compile(r"^(?:([+=-])|(\d+)([.)])(?=\s|$))")
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}
_TURNS_TEXT_ROUND = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(words: str) -> str:
    """Return text on one line: each run of white space, line breaks and control characters as a space."""
    shown = (
        " " if unicodedata.category(sign) in _CONTROL or sign in _TURNS_TEXT_ROUND else sign
        for sign in words  # joiners stay: scripts and emoji need them
    )
    return " ".join("".join(shown).split())


def escaped(words: str) -> str:
    """Return CommonMark that shows ``words`` as they are, on one line: in a sentence, a list or a cell of a table."""
    text = _ANYWHERE.sub(r"\\\1", escape(one_line(words), quote=False))
    return _AT_THE_START.sub(lambda start: f"\\{start[1]}" if start[1] else f"{start[2]}\\{start[3]}", text)


def percent(value: float | None) -> str:
    """Return a fraction in percent, ``91.25 %``; ``-`` where there is none."""
    return "-" if value is None else f"{_short(100 * value)} %"


def points(value: float | None) -> str:
    """Return a fraction in percentage points, ``2 points``; ``-`` where there is none."""
    return "-" if value is None else f"{_short(100 * value)} points"


def signed(value: float | None) -> str:
    """Return a fraction in percentage points with its sign and without the unit, ``+2.00``; ``-`` for none."""
    return "-" if value is None else f"{100 * value:+.2f}"


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


@cache
def templates() -> Environment:
    """Return templates of Markdown: all text put into them is escaped, and a name they don't get is an error."""
    made = Environment(
        loader=PackageLoader("prunegap.report"),
        autoescape=False,  # noqa: S701 - _shown escapes, for Markdown
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for one in (percent, points, signed):
        made.filters[one.__name__] = lambda value, print_=one: Markup(print_(value))  # noqa: S704 - figures
    return made


def _shown(value: object) -> str:
    return value if isinstance(value, Markup) else escaped(str(value))
