"""Names of groups as they may stand in a page, a picture or an XML file: whoever wrote the data chose them."""

import re
from unicodedata import combining, east_asian_width

# What XML 1.0 cannot hold, not even escaped, and what no file in UTF-8 can.
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MORE = "…"


def legal(text: str) -> str:
    """Return a text with a replacement character for each that no XML file may hold."""
    return ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def shortened(text: str, width: int) -> str:
    """Return a text on one line that takes at most ``width`` columns; one that is longer ends in an ellipsis.

    East Asian and emoji characters take two columns, combining ones none.
    """
    line = " ".join(legal(text).split())
    if sum(map(_columns, line)) <= width:
        return line
    left, kept = width - 1, ""
    for character in line:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return kept + MORE


def _columns(character: str) -> int:
    return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
