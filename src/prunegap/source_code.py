"""Digests of Python code: a module and everything that it imports of the same package or folder.

Read as syntax trees, nothing imported: comments, docstrings, blank lines and ``if TYPE_CHECKING`` decide no result and
do not count.
"""

import ast
import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from prunegap.errors import UserError

INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))


@cache
def code_digest(module: str) -> str:
    """Return the sha256 of a module's code and of all code that it imports, directly or not.

    Followed are imports within the module's top-level package; where that lies in a folder of the user's own (not among
    installed packages), also those of other modules in that folder. Imports by computed names are not seen.

    Args:
        module: dotted name, as an import statement has it.

    Raises:
        UserError: there is no such module, its source is not there, or it is not Python.
    """
    if _locate(module) is None:
        raise UserError(f"module '{module}' has no source file that can be found; put its folder on PYTHONPATH")
    reached: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        source = _read(name)
        if source is not None:
            reached[name] = source.digest
            waiting += [one for one in source.imports if one not in reached and _beside(one, module)]
    return hashlib.sha256(json.dumps(sorted(reached.items())).encode()).hexdigest()


@dataclass(frozen=True)
class _Source:
    digest: str
    imports: frozenset[str]


@cache
def _read(module: str) -> _Source | None:
    path = _locate(module)
    if path is None:
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is not Python ({error}); correct it") from None
    found = _Reader(module, is_package=path.name == "__init__.py")
    found.visit(tree)
    parents = (module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1))
    return _Source(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(found.imports).union(parents))


class _Reader(ast.NodeVisitor):
    """Collects what a module imports, and takes docstrings and what only a type checker reads out of its tree."""

    def __init__(self, module: str, *, is_package: bool) -> None:
        self.imports: set[str] = set()
        self._package = module if is_package else module.rpartition(".")[0]

    def generic_visit(self, node: ast.AST) -> None:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            vars(node)["body"] = list(_without_notes(body))
        if isinstance(node, ast.stmt | ast.Module | ast.ExceptHandler | ast.match_case):
            super().generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.imports |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            anchor = self._package.split(".")[: -(node.level - 1) or None]
            base = ".".join([*anchor, *([base] if base else [])])
        self.imports |= {base} | {f"{base}.{alias.name}" for alias in node.names}


def _without_notes(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.If(test=ast.Attribute(attr="TYPE_CHECKING")):
                yield from statement.orelse
            case _:
                yield statement


@cache
def _beside(module: str, start: str) -> bool:
    """Whether a module belongs to what ``start`` is: of its package, or of the same folder of the user's own."""
    top, home = start.partition(".")[0], _home(start.partition(".")[0])
    if module.partition(".")[0] == top:
        return _locate(module) is not None
    own = home is not None and not any(home.is_relative_to(folder) for folder in INSTALLED)
    return own and _home(module.partition(".")[0]) == home


@cache
def _home(top: str) -> Path | None:
    """Return the folder that a top-level module or package lies in."""
    path = _locate(top)
    if path is None:
        return None
    return path.parents[1] if path.name == "__init__.py" else path.parent


@cache
def _locate(module: str) -> Path | None:
    """Return the source file of a module, found without importing its parents; None where there is none."""
    if module == "__main__":  # a script: its file is known, and nothing finds it by that name
        script = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
        return script.resolve() if script.suffix == ".py" else None
    paths: list[str] | None = None
    spec = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, paths) if part else None
        if spec is None:
            return None
        paths = list(spec.submodule_search_locations or [])
    origin = None if spec is None or spec.origin is None else Path(spec.origin)
    return origin if origin is not None and origin.suffix == ".py" else None
