"""Mutants of a module: one small change each, made on its syntax tree.

Changed are comparisons, arithmetic, ``and`` and ``or``, ``not``, conditions, numbers and booleans, strings that are
compared or looked up, returned values, keyword arguments (dropped) and statements (deleted). Left alone are docstrings,
annotations, decorators, imports for types, messages of errors and logs, and descriptions of fields.
"""

import ast
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SILENT_CALLS = ("logger.", "warnings.")
TEXT_ARGUMENTS = {"description", "json_schema_extra", "pattern"}
RETURN_NONE = ast.Return(ast.Constant(None))
Change = Callable[[ast.AST], ast.AST | None]


@dataclass(frozen=True)
class Mutant:
    """One change: in which function and line, what became of what, and the whole module with it."""

    function: str
    line: int
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    statements = {id(node): one for one in ast.walk(tree) if isinstance(one, ast.stmt) for node in ast.walk(one)}
    keywords = {id(one.value): f"{one.arg}=" for one in ast.walk(tree) if isinstance(one, ast.keyword)}
    for function, node in list(_within(tree, "")):
        for change in _changes(node):
            changed = change(node)
            told = _told(node, changed)
            if isinstance(node, ast.Constant):
                told = f"{keywords.get(id(node), '')}{told}, in: {_short(ast.unparse(statements[id(node)]))}"
            with _replaced(tree, node, ast.Pass() if changed is None else changed):
                mutated = ast.unparse(ast.fix_missing_locations(tree))
            yield Mutant(function, getattr(node, "lineno", 0), told, mutated)


def _within(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node that may be changed, with the qualified name of what it stands in."""
    if _left_alone(node):
        return
    yield function, node
    inner = function
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inner = f"{function}.{node.name}".lstrip(".")
    skipped = {"annotation", "returns", "decorator_list", "bases", "type_params"}
    if isinstance(node, ast.Raise | ast.Assert):
        return
    for name, value in ast.iter_fields(node):
        if name in skipped:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _within(child, inner)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    if isinstance(node, ast.keyword):
        return node.arg in TEXT_ARGUMENTS
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or ast.unparse(node).startswith(SILENT_CALLS)
    return False


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from (_comparison(place) for place, op in enumerate(node.ops) if type(op) in COMPARISONS)
            yield from (_string(place) for place, one in enumerate(node.comparators) if _is_text(one))
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC and not _joins_text(node):
            yield _arithmetic
        case ast.Call():
            kept = {None, *TEXT_ARGUMENTS}
            yield from (_dropped(place) for place, one in enumerate(node.keywords) if one.arg not in kept)
        case _:
            yield from (change for kind, fits, change in ONE_EACH if isinstance(node, kind) and fits(node))
    if _may_go(node):
        yield lambda _: None


def _may_go(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break)


def _comparison(place: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        ops = [COMPARISONS[type(op)]() if at == place else op for at, op in enumerate(node.ops)]
        return ast.Compare(node.left, ops, node.comparators)

    return change


def _string(place: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        others = [ast.Constant("mutant") if at == place else one for at, one in enumerate(node.comparators)]
        return ast.Compare(node.left, node.ops, others)

    return change


def _arithmetic(node: ast.AST) -> ast.AST:
    if isinstance(node, ast.AugAssign):
        return ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value)
    assert isinstance(node, ast.BinOp)
    return ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)


def _connective(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    return ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _negated(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.If | ast.IfExp)
    test = ast.UnaryOp(ast.Not(), node.test)
    return ast.If(test, node.body, node.orelse) if isinstance(node, ast.If) else ast.IfExp(test, node.body, node.orelse)


def _constant(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    value = node.value
    assert isinstance(value, bool | int | float)
    return ast.Constant(not value if isinstance(value, bool) else value + 1)


def _looked_up(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Subscript)
    return ast.Subscript(node.value, ast.Constant("mutant"), node.ctx)


def _dropped(place: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        return ast.Call(node.func, node.args, [one for at, one in enumerate(node.keywords) if at != place])

    return change


@contextmanager
def _replaced(tree: ast.Module, node: ast.AST, other: ast.AST) -> Generator[None]:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, other)
                yield
                setattr(parent, name, node)
                return
            if isinstance(value, list) and any(one is node for one in value):
                at = next(place for place, one in enumerate(value) if one is node)
                value[at] = other
                yield
                value[at] = node
                return


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _joins_text(node: ast.BinOp | ast.AugAssign) -> bool:
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    return any(_is_text(side) or isinstance(side, ast.JoinedStr) for side in sides)


def _told(node: ast.AST, changed: ast.AST | None) -> str:
    if isinstance(node, ast.Call) and isinstance(changed, ast.Call):
        (gone,) = [one for one in node.keywords if one not in changed.keywords]
        return _short(f"{ast.unparse(node.func)}(...) without {ast.unparse(gone)}")
    if isinstance(node, ast.If) and isinstance(changed, ast.If):
        return f"if {_short(ast.unparse(node.test))}: negated"
    after = "nothing" if changed is None else ast.unparse(changed)
    return f"{_short(ast.unparse(node))} -> {_short(after)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}..."


ONE_EACH: list[tuple[tuple[type[Any], ...], Callable[[Any], bool], Callable[[Any], ast.AST]]] = [
    ((ast.BoolOp,), lambda _: True, _connective),
    ((ast.UnaryOp,), lambda node: isinstance(node.op, ast.Not | ast.USub), lambda node: node.operand),
    ((ast.If, ast.IfExp), lambda _: True, _negated),
    ((ast.Constant,), lambda node: isinstance(node.value, bool | int | float), _constant),
    ((ast.Subscript,), lambda node: _is_text(node.slice), _looked_up),
    ((ast.Return,), lambda node: node.value is not None and not _is_none(node.value), lambda _: RETURN_NONE),
]
