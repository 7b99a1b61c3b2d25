"""The reader: YAML 1.2 core scalars, places, bounds."""

from typing import Any

import pytest

from gateway.config.problems import Source
from gateway.config.tree import Document, SecretRef
from gateway.config.yaml import parse, scalar


def read(text: str) -> Document:
    source = Source("f.yaml")
    (document,) = parse(text.encode(), source)
    assert not source.problems()
    return document


def complaints(text: str | bytes) -> list[str]:
    source = Source("f.yaml")
    parse(text.encode() if isinstance(text, str) else text, source)
    return [problem.render().splitlines()[0] for problem in source.problems()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("010", 10), ("0o17", 15), ("0x1F", 31),
        ("-7", -7), ("+7", 7),
        ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1:30", "1:30"), ("1_000", "1_000"), ("0b11", "0b11"),
        ("2026-01-01", "2026-01-01"), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        (".inf", float("inf")), ("-.Inf", float("-inf")), ("-", "-"), (".", "."), ("1e", "1e"),
        ("٣", "٣"), ("0o9", "0o9"),
        ("+0x1", "+0x1"), ("1s", "1s"), ("10.0.0.1", "10.0.0.1"),
    ],
)  # fmt: skip
def test_plain_scalars_are_those_of_the_core_schema(text: str, value: Any) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_a_quoted_or_tagged_scalar_is_text() -> None:
    assert read("a: '10'\nb: !!str 10\nc: ! 10\nd: |\n  10\n").data == {"a": "10", "b": "10", "c": "10", "d": "10\n"}


def test_a_key_is_always_text() -> None:
    assert read("8: a\nNO: b\ntrue: c\n").data == {"8": "a", "NO": "b", "true": "c"}


def test_every_value_and_key_knows_its_place() -> None:
    document = read("a:\n  b: [1, {c: 2}]\n")
    assert document.place(()) == (1, 1)
    assert document.place(("a",), of_key=True) == (1, 1)
    assert document.place(("a", "b")) == (2, 6)
    assert document.place(("a", "b", 1, "c")) == (2, 14)
    assert document.place(("a", "b", 1, "c"), of_key=True) == (2, 11)


def test_the_place_of_what_is_missing_is_the_key_of_its_table() -> None:
    assert read("a:\n  b: 1\n").place(("a", "x")) == (1, 1)


def test_places_hold_after_windows_line_ends_and_a_byte_order_mark() -> None:
    source = Source("f")
    (document,) = parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", source)
    assert document.place(("b",)) == (2, 4)
    assert source.lines[1] == "b: 2"


def test_a_secret_is_a_reference_wherever_it_stands() -> None:
    document = read("a: !secret one\nb: [!secret two]\nc: &x !secret three\nd: *x\n")
    assert document.data["b"] == [SecretRef("two")]
    assert {path for *_, path in document.secrets} == {("a",), ("b", 0), ("c",), ("d",)}


def test_an_alias_shares_the_value() -> None:
    document = read("a: &x {at: 1}\nb: *x\n")
    assert document.data["b"] is document.data["a"]
    assert document.place(("b", "at")) == (1, 12)


def test_several_documents_are_several_tables() -> None:
    documents = parse(b"a: 1\n---\na: 2\n---\n", Source("f"))
    assert [document.data for document in documents] == [{"a": 1}, {"a": 2}, None]


def test_an_anchor_ends_with_its_document() -> None:
    assert complaints("a: &x 1\n---\nb: *x\n") == ["f.yaml:3:4: b: '*x' has no '&x' before it"]


def test_a_duplicate_key_names_both_places_and_reading_goes_on() -> None:
    assert complaints("a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        "f.yaml:2:11: b.c: is written twice; first at 2:5",
        "f.yaml:3:1: a: is written twice; first at 1:1",
    ]


def test_aliases_may_not_stand_for_millions_of_values() -> None:
    laughs = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{key}: &{key} [{', '.join(['*' + before] * 10)}]\n"
        for before, key in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (said,) = complaints(laughs)
    assert "more than 2000000 values" in said


def test_ten_thousand_levels_are_one_complaint() -> None:
    for text in ("[" * 10_000, "{a: " * 10_000, "- " * 10_000, "? " * 10_000):
        assert len(complaints(text)) == 1


def test_a_container_that_holds_itself_is_refused() -> None:
    assert complaints("a: &x [*x]\n") == ["f.yaml:1:8: a[0]: '*x' has no '&x' before it"]


@pytest.mark.parametrize(
    ("raw", "place"),
    [(b"a: \xff", "1:4"), (b"a: 1\nb: \xc3\xb6\xe4", "2:5"), (b"a: \x1b[31m", "1:4"), ("a: \u2028".encode(), "1:4")],
)
def test_what_is_no_text_is_named_by_line_and_column(raw: bytes, place: str) -> None:
    (said,) = complaints(raw)
    assert said.startswith(f"f.yaml:{place}: ")


def test_what_is_shown_holds_no_terminal_sequence() -> None:
    source = Source("f.yaml")
    parse(b"a: \x1b[31m\x07", source)
    assert all(sign.isprintable() or sign == "\n" for problem in source.problems() for sign in problem.render())
