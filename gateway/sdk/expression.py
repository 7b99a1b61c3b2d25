"""What must hold, as one line over tags: `pump-7.running == 0 and tank-1.level < 80`. Pure, and bounded.

Tags (`device.tag`), numbers, true and false, comparisons, and/or/not, + - * /, min, max, abs; nothing else. A name may
hold a minus, so a minus between two tags has spaces around it. What is not known (a tag that is not good, a division
by zero) stays unknown through every step that depends on it (Kleene's three values), and unknown never holds.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Final

LONGEST: Final = 500  # characters
MOST_TAGS: Final = 32
DEEPEST: Final = 20  # steps inside each other

Known = float | None  # None: not known
TRUE: Final[Known] = 1.0
FALSE: Final[Known] = 0.0
_Step = Callable[[Sequence[Known]], Known]

_ALIEN: Final = re.compile(r"[^A-Za-z0-9_.\-+*/<>=!(), ]")
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z0-9_][A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]+")
_NUMBER: Final = re.compile(r"\d+\.\d+([eE]-?\d+)?")
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_FUNCTIONS: Final[dict[str, tuple[Callable[..., float], int, int]]] = {
    "min": (min, 2, 8), "max": (max, 2, 8), "abs": (abs, 1, 1),
}  # fmt: skip
_WORDS: Final = {"true": TRUE, "false": FALSE}


class ExpressionError(ValueError):
    """The text is no expression; the message says where in it, and what is wanted."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(f"at character {at + 1}: {text}")


class Expression:
    """One expression, compiled.

    Attributes:
        text: as it is written.
        names: the tags in it, each once, in the order of appearance.
    """

    def __init__(self, text: str) -> None:
        """Compile `text`. Raises ExpressionError."""
        if len(text) > LONGEST:
            raise ExpressionError(LONGEST, f"an expression has at most {LONGEST} characters")
        self.text = text
        compiler = _Compiler()
        self._step = compiler.compile(text)
        self.names = tuple(compiler.names)

    def __call__(self, values: Sequence[Known]) -> Known:
        """What it comes to, with the values of `names`; None: not known."""
        return self._step(values)

    def holds(self, values: Sequence[Known]) -> bool:
        """Whether it is known to be true."""
        return bool(self._step(values))


class _Compiler:
    """From text to steps. Python's own parser knows precedence; only what is listed here comes through."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._at: dict[int, int] = {}  # column → number of the tag that stands there

    def compile(self, text: str) -> _Step:
        if alien := _ALIEN.search(text):
            raise ExpressionError(alien.start(), "this sign belongs in no expression")
        source = _NAME.sub(self._placeholder, text)
        try:
            tree = ast.parse(source.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ExpressionError(max((getattr(error, "offset", 1) or 1) - 1, 0), "this is no expression") from error
        self._indent = len(source) - len(source.lstrip())
        return self._node(tree.body, 0)

    def _placeholder(self, found: re.Match[str]) -> str:
        """A word of the same length for a tag, so that columns stay what they are."""
        name = found[0]
        if _NUMBER.fullmatch(name):
            return name
        if name not in self.names:
            self.names.append(name)
        if len(self.names) > MOST_TAGS:
            raise ExpressionError(found.start(), f"an expression has at most {MOST_TAGS} tags")
        self._at[found.start()] = self.names.index(name)
        return "t" * len(name)

    def _node(self, node: ast.expr, depth: int) -> _Step:
        if depth > DEEPEST:
            raise self._error(node, f"at most {DEEPEST} steps stand inside each other")
        make = _MAKERS.get(type(node))
        if make is None:
            raise self._error(node, "only tags, numbers, comparisons, and/or/not, + - * /, min, max and abs")
        return make(self, node, depth + 1)

    def _error(self, node: ast.AST, text: str) -> ExpressionError:
        return ExpressionError(getattr(node, "col_offset", 0) + self._indent, text)

    def constant(self, node: ast.Constant, _depth: int) -> _Step:
        value = node.value
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise self._error(node, "this is no number")
        number = float(value)
        return lambda _values: number

    def name(self, node: ast.Name, _depth: int) -> _Step:
        if node.id in _WORDS:
            number = _WORDS[node.id]
            return lambda _values: number
        place = self._at.get(node.col_offset + self._indent)
        if place is None:
            raise self._error(node, f"'{node.id}' is no tag; a tag is written device.tag")
        return lambda values: values[place]

    def unary(self, node: ast.UnaryOp, depth: int) -> _Step:
        inner = self._node(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return lambda values: None if (known := inner(values)) is None else float(not known)
        if not isinstance(node.op, ast.USub):
            raise self._error(node, "'-' and 'not' are all that stands before a value")
        return lambda values: None if (known := inner(values)) is None else -known

    def arithmetic(self, node: ast.BinOp, depth: int) -> _Step:
        function = _ARITHMETIC.get(type(node.op))
        if function is None:
            raise self._error(node, "+ - * / are all that there is")
        return _strict(function, [self._node(node.left, depth), self._node(node.right, depth)])

    def call(self, node: ast.Call, depth: int) -> _Step:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function, least, most = _FUNCTIONS.get(name, (None, 0, 0))
        if function is None or node.keywords:
            raise self._error(node, f"there are {', '.join(_FUNCTIONS)}")
        if not least <= len(node.args) <= most:
            raise self._error(node, f"{name} takes {least}" + (f" to {most} values" if most > least else " value"))
        return _strict(function, [self._node(one, depth) for one in node.args])

    def comparison(self, node: ast.Compare, depth: int) -> _Step:
        """`a < b < c` is `a < b and b < c`."""
        values = [self._node(one, depth) for one in (node.left, *node.comparators)]
        pairs = []
        for kind, left, right in zip(node.ops, values, values[1:], strict=False):
            function = _COMPARISONS.get(type(kind))
            if function is None:
                raise self._error(node, "< <= > >= == != are the comparisons")
            pairs.append(_strict(function, [left, right]))
        return _all(pairs)

    def logic(self, node: ast.BoolOp, depth: int) -> _Step:
        parts = [self._node(one, depth) for one in node.values]
        return _all(parts) if isinstance(node.op, ast.And) else _any(parts)


_MAKERS: Final[dict[type[ast.expr], Callable[[_Compiler, Any, int], _Step]]] = {
    ast.Constant: _Compiler.constant,
    ast.Name: _Compiler.name,
    ast.UnaryOp: _Compiler.unary,
    ast.BinOp: _Compiler.arithmetic,
    ast.Call: _Compiler.call,
    ast.Compare: _Compiler.comparison,
    ast.BoolOp: _Compiler.logic,
}


def _strict(function: Callable[..., float], parts: Sequence[_Step]) -> _Step:
    """Known only where everything in it is, and where it comes to a number."""

    def step(values: Sequence[Known]) -> Known:
        known = [part(values) for part in parts]
        if None in known:
            return None
        try:
            found = float(function(*known))
        except (ZeroDivisionError, OverflowError):
            return None
        return found if math.isfinite(found) else None

    return step


def _all(parts: Sequence[_Step]) -> _Step:
    return lambda values: reduce(_and, (part(values) for part in parts), TRUE)


def _any(parts: Sequence[_Step]) -> _Step:
    return lambda values: reduce(_or, (part(values) for part in parts), FALSE)


def _and(one: Known, other: Known) -> Known:
    """False whenever one is false, whatever the other may be."""
    if one == 0 or other == 0:
        return FALSE
    return None if one is None or other is None else TRUE


def _or(one: Known, other: Known) -> Known:
    if one or other:
        return TRUE
    return None if one is None or other is None else FALSE
