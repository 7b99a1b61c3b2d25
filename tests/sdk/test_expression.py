"""Expressions against a model: the same tree evaluated by hand, with values that are not known among them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk.expression import Expression, ExpressionError, Known

TAGS = ["pump-7.running", "a.b", "1st-line.level-2", "x_1.y-", "e.e5"]
Tree = Any


def grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["not", "neg", "abs"]), inner),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner),
    )


NUMBERS = st.one_of(st.integers(0, 1000), st.floats(0, 1e6).map(lambda x: round(x, 3)))
TREES = st.recursive(st.one_of(st.sampled_from(TAGS), NUMBERS), grown, max_leaves=8)
VALUES = st.fixed_dictionaries({tag: st.one_of(st.none(), st.sampled_from([0.0, 1.0, -2.5, 1e300])) for tag in TAGS})


def written(tree: Tree) -> str:
    if not isinstance(tree, tuple):
        return str(tree)
    word, *parts = tree
    texts = [written(part) for part in parts]
    if word in ("abs", "min", "max"):
        return f"{word}({', '.join(texts)})"
    if len(texts) == 1:
        return f"({'-' if word == 'neg' else 'not '}{texts[0]})"
    return f"({texts[0]} {word} {texts[1]})"


def model(tree: Tree, values: dict[str, Known]) -> Known:
    """By the definition of each word, and nothing clever."""
    if isinstance(tree, str):
        return values[tree]
    if not isinstance(tree, tuple):
        return float(tree)
    word, *parts = tree
    known = [model(part, values) for part in parts]
    if word == "and":
        return 0.0 if 0 in known else None if None in known else 1.0
    if word == "or":
        return 1.0 if any(known) else None if None in known else 0.0
    return None if None in known or (word == "/" and known[1] == 0) else strict(word, known * 2)


def strict(word: str, known: list[Any]) -> Known:
    one, other = known[:2]
    words: dict[str, Callable[[], float]] = {
        "+": lambda: one + other, "-": lambda: one - other, "*": lambda: one * other, "/": lambda: one / other,
        "<": lambda: one < other, "<=": lambda: one <= other, ">": lambda: one > other, ">=": lambda: one >= other,
        "==": lambda: one == other, "!=": lambda: one != other, "not": lambda: not one, "neg": lambda: -one,
        "abs": lambda: abs(one), "min": lambda: min(one, other), "max": lambda: max(one, other),
    }  # fmt: skip
    found = words[word]()
    return float(found) if math.isfinite(found) else None


@given(TREES, VALUES)
def test_an_expression_comes_to_what_its_parts_say(tree: Tree, values: dict[str, Known]) -> None:
    expression = Expression(written(tree))
    assert set(expression.names) <= set(TAGS)
    found = expression([values[name] for name in expression.names])
    assert found == model(tree, values)
    assert expression.holds([values[name] for name in expression.names]) is bool(found)


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("pump-7.running == 0 and tank-1.level < 80", [0.0, 79.0], True),
        ("pump-7.running == 0 and tank-1.level < 80", [0.0, None], False),
        ("pump-7.running == 0 and tank-1.level < 80", [1.0, None], False),
        ("a.b > 1 or c.d > 1", [2.0, None], True),
        ("not a.b", [None], False),
        ("not (a.b > 1)", [None], False),
        ("0 < a.b < 10", [5.0], True),
        ("0 < a.b < 10", [10.0], False),
        ("a.b - c.d > -1", [1.0, 1.5], True),
        ("3*-a.b < 0", [1.0], True),
        ("a.b == true", [1.0], True),
        ("1 / a.b > 0", [0.0], False),
        ("1.5e1 > a.b", [15.0], False),
    ],
)
def test_what_holds(text: str, values: list[Known], holds: bool) -> None:
    assert Expression(text).holds(values) is holds


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("", 1, "this is no expression"),
        ("a.b > 1 or import", 12, "no expression"),
        ("  flow > 3", 3, "'flow' is no tag"),
        ("tt > 3", 1, "'tt' is no tag"),
        ("a.b ** 9", 1, r"\+ - \* /"),
        ("a.b @ 9", 5, "this sign"),
        ("a.b > 1; c.d", 8, "this sign"),
        ("a.b > '1'", 7, "this sign"),
        ("a.b # c.d", 5, "this sign"),
        ("a.b >\n1", 6, "this sign"),
        ("__import__(1)", 1, "there are min, max, abs"),
        ("a.b(1)", 1, "there are"),
        ("min(1)", 1, "min takes 2 to 8 values"),
        ("abs(a.b, 1)", 1, "abs takes 1 value"),
        ("min(a=1, b=2)", 1, "there are|no expression"),
        ("a.b.c > 1", 1, "only tags"),
        ("a.b-c.d > 1", 1, "only tags"),
        ("a.b if c.d else 1", 1, "only tags"),
        ("(a.b, c.d)", 1, "only tags"),
        ("a.b is 1", 1, "comparisons"),
        ("a.b in (1, 2)", 8, "only tags"),
        ("+a.b", 1, "'-' and 'not'"),
        ("1e999 > a.b", 1, "no number"),
        ("1j > a.b", 1, "no number"),
        ("-" * 30 + "1", 22, "at most 20 steps"),
        ("(" * 240 + "1" + ")" * 240, None, "no expression|at most"),
        ("1 < " * 126, 501, "at most 500 characters"),
        (" + ".join(f"a.t{n}" for n in range(33)), 247, "at most 32 tags"),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(text: str, at: int | None, why: str) -> None:
    with pytest.raises(ExpressionError, match=why) as error:
        Expression(text)
    assert at is None or str(error.value).startswith(f"at character {at}:")


@given(st.text(alphabet="ab.-+*/<>=!() 019,ndortmix", max_size=60))
def test_whatever_is_written_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    expression([1.0] * len(expression.names))
