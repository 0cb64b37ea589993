"""What every page is made with: one environment of templates."""

import base64
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def templates() -> Environment:
    """Return our templates: everything put into them is escaped, and a name they don't get is an error."""
    made = Environment(
        loader=PackageLoader("prunegap.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["base64"] = _base64
    return made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
