"""Changes to Python source as a mistake would make them: one at a time, each at a place and with a name.

Operators, comparisons, conditions, constants, statements left out, done twice or in another order. A mutated place tells
a file each time it is reached, so that it is known when it was run, and whether it ever was.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Mutation", "mutations"]

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Add, ast.Pow: ast.Mult,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change: `line` and `column` (from 1), the text of the line, what is done in words, and the whole mutated source."""

    line: int
    column: int
    text: str
    what: str
    source: str


def mutations(source: str, reached: str) -> Iterator[Mutation]:
    """Every mutation of a module. Each time the changed place is run, the file `reached` gets a line: Unix time, seconds."""
    tree = ast.parse(source)
    movable, unread = _movable(tree), _annotations(tree)
    for number, node in enumerate(ast.walk(tree)):
        for what, change in [] if node in unread else _changes(node, node in movable):
            mutant = copy.deepcopy(tree)
            place = next(n for k, n in enumerate(ast.walk(mutant)) if k == number)
            _tell(mutant, place, reached)
            change(place, mutant)
            line: int = getattr(node, "lineno", 0)
            yield Mutation(
                line,
                getattr(node, "col_offset", 0) + 1,
                source.splitlines()[line - 1].strip(),
                what,
                ast.unparse(ast.fix_missing_locations(mutant)),
            )


def _movable(tree: ast.AST) -> set[ast.AST]:
    """Statements that can change places with the next one: both are plain, and one of them acts."""
    blocks = [block for node in ast.walk(tree) if isinstance(block := getattr(node, "body", None), list)]
    return {
        one
        for block in blocks
        for one, other in pairwise(block)
        if all(isinstance(each, (ast.Expr, ast.Assign, ast.AugAssign)) for each in (one, other))
        and any(isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) for each in (one, other))
    }


def _annotations(tree: ast.AST) -> set[ast.AST]:
    """What is written for the reader and for tools, and is never run."""
    roots = [
        getattr(node, field, None)
        for node in ast.walk(tree)
        if isinstance(node, (ast.arg, ast.AnnAssign, ast.FunctionDef))
        for field in ("annotation", "returns")
    ]
    return {node for root in roots if root is not None for node in ast.walk(root)}


Change = Callable[[ast.AST, ast.AST], None]


def _changes(node: ast.AST, movable: bool) -> Iterator[tuple[str, Change]]:
    if movable:
        yield f"after the next statement: {ast.unparse(node)[:60]}", _swap_with_next
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in _SWAPPED:
        yield f"{_name(node.op)} → {_SWAPPED[type(node.op)].__name__}", _swap_operator
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
        yield f"{_name(node.ops[0])} → {_SWAPPED[type(node.ops[0])].__name__}", _swap_comparison
    elif isinstance(node, (ast.If, ast.IfExp)):
        yield "condition negated", _negate
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        yield f"{node.value!r} → {_other(node.value)!r}", _change_constant
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield f"left out: {ast.unparse(node)[:60]}", _leave_out
        yield f"done twice: {ast.unparse(node)[:60]}", _double
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "returns nothing", _return_nothing


def _name(operator: ast.AST) -> str:
    return type(operator).__name__


def _other(value: float) -> float:
    return value + 1 if isinstance(value, int) else value * 1.01 + 0.001


def _swap_operator(place: ast.AST, _: ast.AST) -> None:
    assert isinstance(place, (ast.BinOp, ast.BoolOp))
    place.op = _SWAPPED[type(place.op)]()  # type: ignore[assignment]


def _swap_comparison(place: ast.AST, _: ast.AST) -> None:
    assert isinstance(place, ast.Compare)
    place.ops[0] = _SWAPPED[type(place.ops[0])]()  # type: ignore[call-overload]


def _negate(place: ast.AST, _: ast.AST) -> None:
    assert isinstance(place, (ast.If, ast.IfExp))
    place.test = ast.UnaryOp(ast.Not(), place.test)


def _change_constant(place: ast.AST, _: ast.AST) -> None:
    assert isinstance(place, ast.Constant)
    assert isinstance(place.value, (int, float))
    place.value = _other(place.value)


def _return_nothing(place: ast.AST, _: ast.AST) -> None:
    assert isinstance(place, ast.Return)
    place.value = ast.Constant(None)


def _leave_out(place: ast.AST, tree: ast.AST) -> None:
    block, at = _block(place, tree)
    block[at] = ast.Pass()


def _double(place: ast.AST, tree: ast.AST) -> None:
    block, at = _block(place, tree)
    block.insert(at, copy.deepcopy(block[at]))


def _swap_with_next(place: ast.AST, tree: ast.AST) -> None:
    block, at = _block(place, tree)
    block[at], block[at + 1] = block[at + 1], block[at]


def _block(place: ast.AST, tree: ast.AST) -> tuple[list[ast.stmt], int]:
    """The statements among which the innermost statement around `place` stands, and its number."""
    best: tuple[int, list[ast.stmt], int] | None = None
    for parent in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(parent, field, None)
            for at, statement in enumerate(block if isinstance(block, list) else []):
                nodes = [*ast.walk(statement)]
                if any(node is place for node in nodes) and (best is None or len(nodes) < best[0]):
                    best = (len(nodes), block, at)
    if best is None:
        raise LookupError("it stands in no statement")
    return best[1], best[2]


def _tell(tree: ast.AST, place: ast.AST, reached: str) -> None:
    """Add a line to the file `reached` before the statement around the changed place is run."""
    block, at = _block(place, tree)
    line = "str(__import__('time').time()) + '\\n'"
    block.insert(at, ast.parse(f"open({reached!r}, 'a').write({line})").body[0])
