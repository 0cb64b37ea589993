"""Formulas as MathML, which browsers show themselves: no script, nothing fetched."""

import re

from latex2mathml.converter import convert

INLINE = re.compile(r"\\\((.+?)\\\)", re.DOTALL)
BLOCK = re.compile(r"\\\[(.+?)\\\]", re.DOTALL)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace every formula of a page."""
    markdown = BLOCK.sub(lambda found: f"\n{convert(found[1].strip(), display='block')}\n", markdown)
    return INLINE.sub(lambda found: convert(found[1].strip()), markdown)
