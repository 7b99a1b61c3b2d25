"""YAML as a plant writes it: 1.2 core scalars, one place for every value, no surprises and no tracebacks.

`NO` is text, `010` is ten, `1e3` a number, a key is always text and may stand once. Own tags: `!secret name`,
`!include file`, `!csv file`; what they stand for is looked up later.
Size, depth and the growth by aliases are bounded. Built from the events of PyYAML's C parser, without recursion.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yaml import CBaseLoader, events
from yaml.error import MarkedYAMLError

from gateway.config.problems import Key, Path, Place, Source
from gateway.config.text import MAX_BYTES, StopError, decode, lines
from gateway.config.tree import MAX_DEPTH, MAX_VALUES, ROOT, Document, FileRef, SecretRef, Spot

MAX_DIGITS: Final = 40  # more digits than any column holds, few enough to convert

# YAML 1.2.2 §10.3.2, core schema; \d would also take the digits of other scripts.
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_NUMBER_START: Final = frozenset("0123456789+-.")
_CORE: Final = "tag:yaml.org,2002:"
_CORE_TAGS: Final = frozenset({"!", _CORE + "str", _CORE + "map", _CORE + "seq"})
_SECRET_NAME: Final = re.compile(r"(?:[A-Za-z0-9_]|\$\{[\w:\-]+\})(?:[A-Za-z0-9_.\-]|\$\{[\w:\-]+\}){0,127}")
_new_spot: Final = tuple.__new__  # there is one for every key and value; half the time of calling Spot
_FILE_TAGS: Final = ("!include", "!csv")

# What libyaml says, what a person needs to know, and whether the place that matters is where the context began.
_SENTENCES: Final = (
    ("tab character", "a tab cannot indent; use spaces", False),
    ("cannot start any token", "a tab or a special sign cannot stand here; indent with spaces, or use quotes", False),
    ("mapping values are not allowed", "a ':' too many, or wrong indentation; put text with ': ' in quotes", False),
    ("could not find expected ':'", "a key without its ':'", True),
    ("did not find expected key", "wrong indentation, or a key without its ':'", False),
    ("did not find expected '-'", "wrong indentation in this list", False),
    ("end of stream", "a quote that is never closed", True),
    ("',' or ']'", "a '[' that is not closed, or a ',' is missing", True),
    ("',' or '}'", "a '{' that is not closed, or a ',' is missing", True),
    ("expected <document start>", "nothing may follow here; a new device begins with a line '---'", False),
    ("maximum nesting depth", f"nested deeper than {MAX_DEPTH} levels", False),
)


def parse(raw: bytes, source: Source) -> list[Document]:
    """The documents in `raw`. What is wrong goes to `source`; a fault that ends the reading leaves an empty list."""
    try:
        text = decode(raw)
        source.lines = lines(text)
        return _Builder(text, source).documents()
    except StopError as stop:
        source.lines = source.lines or lines(raw[:MAX_BYTES].decode("utf-8", "replace"))
        source.readable = False
        source.add(stop.place, stop.path, stop.message)
        return []


def scalar(text: str) -> Any:
    """A plain scalar by the core schema. Raises ValueError for a number of too many digits."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of more than {MAX_DIGITS} digits")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(slots=True)
class _Frame:
    """A container that is being filled."""

    data: Any
    place: Spot
    anchor: str | None
    key: Key | None  # of the value that comes next; None in a table where a key comes next
    key_place: Spot
    marks: dict[Key, tuple[Spot, Spot]] = field(default_factory=dict)
    values: int = 1


class _Builder:
    """Events in, documents out. The stack is a list: depth costs no recursion."""

    def __init__(self, text: str, source: Source) -> None:
        self._parser = CBaseLoader(text)
        self._source = source
        self._stack: list[_Frame] = []
        self._documents: list[Document] = []
        self._anchors: dict[str, tuple[Any, int]] = {}  # value, how many values it stands for
        self._values = 0

    def documents(self) -> list[Document]:
        """Read to the end. Raises StopError."""
        try:
            while (event := self._parser.get_event()) is not None:
                handle = _HANDLERS.get(type(event))
                if handle:
                    handle(self, event)
        except MarkedYAMLError as error:
            raise StopError(*self._sentence(error)) from error
        return self._documents

    def begin(self, event: Any) -> None:
        """A document begins: a holder with one key."""
        document = Document(self._source, tagged=False)
        self._documents.append(document)
        self._anchors = {}
        start = self._spot(event)
        frame = _Frame(document.holder, start, None, ROOT, start)
        document.marks[id(document.holder)] = frame.marks
        self._stack = [frame]

    def scalar(self, event: Any) -> None:
        """A key or a value."""
        frame = self._stack[-1]
        if frame.key is None:
            self._take_key(frame, event)
            return
        value = self._plain(event) if event.tag is None and event.implicit[0] else self._tagged(event)
        self._put(value, self._spot(event), 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def alias(self, event: Any) -> None:
        """The value of an anchor above, shared."""
        if self._stack[-1].key is None:
            raise StopError(_start(event), self._path(), "a key must be a word, not an alias")
        if event.anchor not in self._anchors:
            raise StopError(_start(event), self._path(), f"'*{event.anchor}' has no '&{event.anchor}' before it")
        value, values = self._anchors[event.anchor]
        self._put(value, self._spot(event), values)

    def open(self, event: Any) -> None:
        """A table or a list begins."""
        if self._stack[-1].key is None:
            raise StopError(_start(event), self._path(), "a key must be a word, not a list or a table")
        if len(self._stack) > MAX_DEPTH:
            raise StopError(_start(event), (), f"nested deeper than {MAX_DEPTH} levels")
        if event.tag:
            self._tagged(event)
        is_list = type(event) is events.SequenceStartEvent
        start = self._spot(event)
        self._stack.append(_Frame([] if is_list else {}, start, event.anchor, 0 if is_list else None, start))

    def close(self, _event: Any) -> None:
        """The container is complete: only now an alias can stand for it."""
        frame = self._stack.pop()
        self._documents[-1].marks[id(frame.data)] = frame.marks
        self._put(frame.data, frame.place, 1)
        self._stack[-1].values += frame.values - 1
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.data, frame.values)

    def _take_key(self, frame: _Frame, event: Any) -> None:
        key, spot = event.value, self._spot(event)
        frame.key, frame.key_place = key, spot
        if event.tag not in (None, "!"):
            self._source.add(spot.place, self._path(), "a key must be a word without a tag")
        elif key in frame.marks:
            line, column = frame.marks[key][0].place
            self._source.add(spot.place, self._path(), f"is written twice; first at {line}:{column}")
        elif key == "<<":
            self._source.add(spot.place, self._path(), "'<<' is not part of YAML 1.2; write the keys out")

    def _put(self, value: Any, place: Spot, values: int) -> None:
        frame = self._stack[-1]
        self._values += values
        if self._values > MAX_VALUES:
            raise StopError(place.place, self._path(), f"more than {MAX_VALUES} values once the aliases are followed")
        key: Any = frame.key
        if type(value) in (SecretRef, FileRef):
            self._documents[-1].tagged = True
        frame.values += values
        if type(frame.data) is list:
            frame.data.append(value)
            frame.marks[key], frame.key = (place, place), key + 1
        else:
            frame.data[key] = value
            frame.marks[key], frame.key = (frame.key_place, place), None

    def _plain(self, event: Any) -> Any:
        try:
            return scalar(event.value)
        except ValueError as error:
            self._source.add(_start(event), self._path(), str(error))
            return 0

    def _tagged(self, event: Any) -> Any:
        """The value of a quoted or tagged scalar; a container's tag is only looked at."""
        tag, value = event.tag, getattr(event, "value", None)
        if tag == "!secret" and value is not None and _SECRET_NAME.fullmatch(value):
            return SecretRef(value)
        if tag in _FILE_TAGS and value:
            return FileRef(tag[1:], value)
        if tag in _FILE_TAGS:
            self._source.add(_start(event), self._path(), "names no file", f"{tag} file, beside the file it stands in")
        elif tag == "!secret":
            message, hint = "is no name of a secret", "!secret mqtt: letters, digits, '_', '-' and '.'"
            self._source.add(_start(event), self._path(), message, hint)
        elif tag is not None and tag not in _CORE_TAGS:
            shown = tag.replace(_CORE, "!!")
            self._source.add(
                _start(event), self._path(), f"unknown tag '{shown}'", "tags are !secret, !include and !csv"
            )
        return value

    def _sentence(self, error: MarkedYAMLError) -> tuple[Place, Path, str]:
        mark = error.problem_mark
        line = self._source.lines[mark.line] if mark and mark.line < len(self._source.lines) else ""
        if mark and "${" in line[max(0, mark.column - 1) : mark.column + 1]:
            return _place(mark), (), 'inside { } and [ ] a parameter needs quotes: "${name}"'
        return _sentence_of(error)

    def _spot(self, event: Any) -> Spot:
        mark = event.start_mark
        return _new_spot(Spot, (mark.line + 1, mark.column + 1, self._source, None))

    def _path(self) -> Path:
        """Where the value that comes next belongs."""
        return tuple(frame.key for frame in self._stack[1:] if frame.key is not None)


_HANDLERS: Final[Mapping[type, Callable[[_Builder, Any], None]]] = {
    events.DocumentStartEvent: _Builder.begin,
    events.ScalarEvent: _Builder.scalar,
    events.AliasEvent: _Builder.alias,
    events.MappingStartEvent: _Builder.open,
    events.SequenceStartEvent: _Builder.open,
    events.MappingEndEvent: _Builder.close,
    events.SequenceEndEvent: _Builder.close,
}


def _start(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _sentence_of(error: MarkedYAMLError) -> tuple[Place, Path, str]:
    """What libyaml complains of, in plain words, where the eye should go."""
    problem = error.problem or "not YAML"
    for found, sentence, from_context in _SENTENCES:
        if found in problem:
            mark = error.context_mark if from_context and error.context_mark else error.problem_mark
            return _place(mark), (), sentence
    return _place(error.problem_mark), (), f"not YAML: {problem}"


def _place(mark: Any) -> Place:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
