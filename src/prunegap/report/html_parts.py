"""Pieces of the HTML page: escaped text, tables, figures, lists of terms, and the style sheet."""

import base64
from collections.abc import Mapping
from html import escape

from prunegap.report.gallery import Picture
from prunegap.report.grids import Grid

STYLE = """
:root { color-scheme: light dark; --text: #1d2329; --dim: #5b6670; --page: #ffffff;
  --card: #f5f7f9; --line: #d5dbe1; --good: #0b6e3f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --dim: #a3adb7; --page: #14181c;
  --card: #1e242a; --line: #39424b; --good: #5fd39a; --bad: #ff9a92; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .3rem; }
p, ul { margin: .5rem 0; }
.dim, caption .note { color: var(--dim); }
.caveat { border-left: 4px solid var(--bad); background: var(--card); padding: .7rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
caption .note { display: block; font-weight: 400; font-size: .85rem; }
th, td { padding: .3rem .6rem .3rem .2rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; white-space: normal; color: var(--dim); }
.name { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 6rem; }
tbody .name { font-weight: 400; }
.yes { color: var(--good); font-weight: 600; } .no { color: var(--bad); font-weight: 600; }
.over { color: var(--bad); } .worst { font-weight: 700; background: var(--card); }
figure { margin: 1.2rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { color: var(--dim); font-size: .88rem; max-width: 60rem; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0 0 0 1.2rem; overflow-wrap: anywhere; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
nav a { margin-right: 1rem; } a { color: inherit; }
"""


def table_html(grid: Grid) -> str:
    """Return a table whose first name in each row is its heading; wide tables scroll by themselves."""
    names = [cell.mark == "name" for cell in grid.rows[0]] if grid.rows else [False] * len(grid.headings)
    head = "".join(
        f'<th scope="col"{" class=name" if is_name else ""}>{escape(heading)}</th>'
        for heading, is_name in zip(grid.headings, names, strict=True)
    )
    body = "".join("<tr>" + "".join(_cell_html(cell.text, cell.mark) for cell in row) + "</tr>\n" for row in grid.rows)
    caption = f'<caption>{escape(grid.title)}<span class="note">{escape(grid.note)}</span></caption>'
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>\n'


def _cell_html(text: str, mark: str) -> str:
    if mark == "name":
        return f'<th scope="row" class="name">{escape(text)}</th>'
    style = "" if mark == "number" else f' class="{mark.replace("_", " ")}"'
    return f"<td{style}>{escape(text)}</td>"


def figure_html(picture: Picture) -> str:
    """Return a picture with its caption, the PNG inside the page."""
    data = base64.b64encode(picture.png).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}">'
    return f"<figure>{image}<figcaption>{escape(picture.caption)}</figcaption></figure>\n"


def definitions_html(entries: Mapping[str, str]) -> str:
    """Return a list of terms and what they mean."""
    return (
        "<dl>"
        + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in entries.items())
        + "</dl>\n"
    )


def page_html(title: str, body: str) -> str:
    """Return the whole page; its policy forbids scripts and anything from outside the file."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body><main>\n{body}</main></body>\n</html>\n"
    )
