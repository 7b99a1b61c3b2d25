"""pydantic's findings in plain sentences: what is wanted, what was given, the nearest word."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from gateway.config.jsonschema import Schema, at
from gateway.config.problems import Path, did_you_mean
from gateway.config.tree import Document

_NAME_PATTERN: Final = r"^[A-Za-z0-9_\-]+$"  # of gateway.sdk.config.Name
MAX_FINDINGS: Final = 1000  # of one document; whoever has more has one mistake many times
_DECIMAL_COMMA: Final = re.compile(r"[-+]?[0-9]+,[0-9]+")
_MISSING: Final = "is missing"
_UNKNOWN: Final = "unknown key"
_GIVEN: Final = {
    type(None): "nothing", str: "text", list: "a list", dict: "a table", SecretStr: "a secret",
}  # fmt: skip
_WANTED: Final = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "model_type": "a table", "model_attributes_type": "a table", "dict_type": "a table",
    "mapping_type": "a table", "list_type": "a list", "tuple_type": "a list", "set_type": "a list",
    "frozen_set_type": "a list", "path_type": "a path", "finite_number": "a finite number", "none_required": "nothing",
}  # fmt: skip
_LIMITS: Final = {
    "greater_than_equal": "must be {ge} or more", "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less", "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_short": "must have {min_length} or more entries, not {actual_length}",
    "too_long": "must have {max_length} entries or less",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} characters or less",
}  # fmt: skip


def as_text(error: ValidationError, document: Document) -> bool:
    """Put the text back where text is wanted and a cell of a sheet was read as a number; whether there was any."""
    changed = False
    for found in error.errors(include_url=False, include_input=False)[:MAX_FINDINGS]:
        path, _ = _where(found, document.data)
        if found["type"] != "string_type" or not path:
            continue
        spot = document.spot(path)
        spot = spot.given or spot
        if spot.source.cells and (written := spot.source.cells.get(spot.place)) is not None:
            _get(document.data, path[:-1])[path[-1]] = written
            changed = True
    return changed


def add_findings(error: ValidationError, document: Document, schema: Schema) -> None:
    """Note every finding of `error` on `document`."""
    said: dict[tuple[Path, bool], list[tuple[str, str]]] = {}
    for found in error.errors(include_url=False, include_input=False)[:MAX_FINDINGS]:
        path, is_key = _where(found, document.data)
        sentence = _sentence(found, path, document.data, schema)
        said.setdefault((path, is_key), []).append(sentence)
    # An unknown key that was meant to be a missing one is one mistake.
    meant = {
        (*path[:-1], word) for (path, _), found in said.items() for text, hint in found for word in _meant(text, hint)
    }
    for (path, is_key), sentences in said.items():
        if path in meant and sentences[0][0] == _MISSING:
            continue
        # Several findings on one value are the alternatives of a union.
        message = ", or ".join(dict.fromkeys(text for text, _ in sentences))
        hint = next((hint for _, hint in sentences if hint), "")
        document.note(path, message, hint, of_key=is_key)


def _meant(text: str, hint: str) -> list[str]:
    return re.findall(r"did you mean '(.*)'", hint) if text == _UNKNOWN else []


def _where(found: Mapping[str, Any], data: Any) -> tuple[Path, bool]:
    """The path in the data, and whether the key is meant. Steps that name a union's alternative are not in the data."""
    path: list[str | int] = []
    steps, kind = found["loc"], found["type"]
    is_key = kind == "extra_forbidden" or steps[-1:] == ("[key]",)
    for step in steps:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and step in range(len(data))):
            path.append(step)
            data = data[step]
    if kind == "missing":
        path.append(steps[-1])
    return tuple(path), is_key


def _sentence(found: Mapping[str, Any], path: Path, data: Any, schema: Schema) -> tuple[str, str]:
    """What is wrong, and the hint."""
    kind = found["type"]
    if kind in _LIMITS:
        limits = {name: f"{value:g}" if isinstance(value, float) else value for name, value in found["ctx"].items()}
        return _LIMITS[kind].format_map(limits), ""
    if kind in _SENTENCES:
        return _SENTENCES[kind](found, path, data, schema)
    if allowed := _allowed(found, at(schema, path)):
        return _choice_sentence(_get(data, path), allowed)
    wanted = "a path" if found.get("ctx", {}).get("class") == "Path" else _WANTED.get(kind)
    return _type_sentence(wanted, _get(data, path)) if wanted else _other_sentence(found)


def _missing_sentence(_found: Mapping[str, Any], path: Path, _data: Any, schema: Schema) -> tuple[str, str]:
    return _MISSING, _description(schema, path)


def _extra_sentence(_found: Mapping[str, Any], path: Path, data: Any, schema: Schema) -> tuple[str, str]:
    return _UNKNOWN, _key_hint(str(path[-1]), at(schema, path[:-1]), _get(data, path[:-1]))


def _other_sentence(found: Mapping[str, Any]) -> tuple[str, str]:
    text = str(found.get("ctx", {}).get("error", "")) if found["type"] in ("value_error", "assertion_error") else ""
    text = text or found["msg"].replace("Input should be", "must be")
    return " ".join(text.split()), ""


def _pattern_sentence(found: Mapping[str, Any], path: Path, _data: Any, schema: Schema) -> tuple[str, str]:
    pattern = found["ctx"]["pattern"]
    if pattern == _NAME_PATTERN:
        return "a name has only letters, digits, '_' and '-'", ""
    return "is not written as it must be", _description(schema, path) or f"pattern {pattern}"


_SENTENCES: Final = {
    "missing": _missing_sentence,
    "extra_forbidden": _extra_sentence,
    "string_pattern_mismatch": _pattern_sentence,
}


def _allowed(found: Mapping[str, Any], schemas: Iterable[Schema]) -> list[str]:
    """The words that may stand here, when it is words that may stand here."""
    if found["type"] not in ("literal_error", "enum", "value_error", "union_tag_invalid"):
        return []
    words = [word for schema in schemas for word in (*schema.get("enum", ()), *_constant(schema))]
    if not words and found["type"] != "value_error":
        words = re.findall(r"'([^']*)'", found["ctx"].get("expected", "") or found["ctx"].get("expected_tags", ""))
    return list(dict.fromkeys(str(word) for word in words))


def _constant(schema: Schema) -> Iterator[Any]:
    if "const" in schema:
        yield schema["const"]


def _choice_sentence(given: Any, allowed: list[str]) -> tuple[str, str]:
    words = [f"'{word}'" for word in allowed]
    listed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    if isinstance(given, str):
        shown = given if len(given) <= 40 else given[:37] + "..."  # noqa: PLR2004 - as much as a glance takes in
        return f"must be {listed}, not '{shown}'", did_you_mean(given, allowed)
    hint = f"put it in quotes: '{given}'" if str(given) in allowed else ""
    return f"must be {listed}, not {_kind(given)}", hint


def _type_sentence(wanted: str, given: Any) -> tuple[str, str]:
    hint = "put it in quotes" if wanted == "text" and isinstance(given, bool | int | float) else ""
    if wanted in ("a number", "a whole number") and isinstance(given, str) and _DECIMAL_COMMA.fullmatch(given):
        hint = f"with a point: {given.replace(',', '.')}"
    return f"must be {wanted}, not {_kind(given)}", hint


def _kind(given: Any) -> str:
    if isinstance(given, bool | int | float):
        return str(given).lower()
    return _GIVEN.get(type(given), type(given).__name__)


def _key_hint(key: str, tables: list[Schema], given: Any) -> str:
    """The nearest key that is free; else the one that is still missing; else all there are."""
    known = [name for table in tables for name in table.get("properties", ())]
    free = [name for name in dict.fromkeys(known) if name not in given]
    missing = [name for table in tables for name in table.get("required", ()) if name in free]
    if hint := did_you_mean(key, free):
        return hint
    if len(missing) == 1:
        return f"did you mean '{missing[0]}'?"
    return "known: " + ", ".join(free) if 0 < len(free) <= 12 else ""  # noqa: PLR2004 - one line of a terminal


def _description(schema: Schema, path: Path) -> str:
    text = next((found["description"] for found in at(schema, path) if "description" in found), "")
    return " ".join(str(text).split()).removesuffix(".")


def _get(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
