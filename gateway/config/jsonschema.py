"""The JSON Schema of what may be written: for editors, and for finding one's way in a table without knowing its class.

Plugins' tables are known by their schema only: which options hold secrets or paths, which keys and words are allowed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from gateway.config.editing import MANY, TEMPLATE, definitions, fillable, many, template
from gateway.config.merge import USE
from gateway.config.problems import Key, Path
from gateway.config.schema import Root
from gateway.sdk.config import DeviceConfig

Schema = dict[str, Any]
Pattern = tuple[str | None, ...]  # a path in which None is any key of a map or any place of a list

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MAPS: Final = frozenset({"properties", "patternProperties", "$defs"})
_MAX_STEPS: Final = 12  # a table that contains itself ends here


@cache
def table_schema(table: type[BaseModel]) -> Schema:
    """The schema of one table. Raises PydanticInvalidForJsonSchema for a type that JSON cannot describe."""
    return table.model_json_schema()


def main_schema() -> Schema:
    """The schema of `fieldgate.yaml`."""
    schema = _written(table_schema(Root))
    tables = schema["$defs"]
    inside = {name: fillable(tables[name]) for name in _reached("AssetConfig", tables)}
    inside["AssetConfig"] = many(inside["AssetConfig"])
    written = {**tables, **inside, **definitions()}
    properties = fillable({"properties": schema["properties"]})["properties"]
    return {"$schema": DIALECT, **schema, "properties": properties, "$defs": written, "title": "fieldgate.yaml"}


def device_schema(models: Mapping[str, type[DeviceConfig]]) -> Schema:
    """The schema of a file in `devices.d`: one of the adapters' tables, told apart by `adapter`."""
    tables, known = _by_adapter(models, many)
    return {
        "$schema": DIALECT,
        "title": "devices.d/*.yaml",
        "type": "object",
        "properties": {**_adapters(models), **MANY},
        "anyOf": [{"required": ["adapter"]}, {"required": [USE]}],
        "allOf": tables,
        "$defs": known,
    }


def template_schema(models: Mapping[str, type[DeviceConfig]]) -> Schema:
    """The schema of a file in `templates`: of a device, told by `adapter`, or of an asset, told by a list of tags."""
    tables, known = _by_adapter(models, template)
    assets = main_schema()["$defs"]
    asset = {key: value for key, value in template(assets["AssetConfig"]).items() if key != "anyOf"}
    listed = {"properties": {"tags": {"type": "array"}}, "required": ["tags"]}
    return {
        "$schema": DIALECT,
        "title": "templates/*.yaml",
        "type": "object",
        "properties": {**_adapters(models), **TEMPLATE},
        "allOf": [*tables, {"if": listed, "then": {"$ref": "#/$defs/Asset"}}],
        "$defs": {**assets, **known, "Asset": asset},
    }


def _adapters(models: Mapping[str, type[DeviceConfig]]) -> Schema:
    return {"adapter": {"enum": list(models), "description": "Name of the adapter that reads the device."}}


def _by_adapter(
    models: Mapping[str, type[DeviceConfig]], made: Callable[[Schema], Schema]
) -> tuple[list[Schema], Schema]:
    """A choice for each adapter, and what it refers to: its table, as `made` of it."""
    tables, known = [], definitions()
    for name, model in models.items():
        schema = _written(model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}"))
        known.update({f"{name}.{key}": _filled(value) for key, value in schema.pop("$defs", {}).items()})
        adapter = {**schema["properties"]["adapter"], "const": name}
        filled = made(fillable(schema))
        known[name] = {**filled, "properties": {**filled["properties"], "adapter": adapter}}
        chosen = {"properties": {"adapter": {"const": name}}, "required": ["adapter"]}
        tables.append({"if": chosen, "then": {"$ref": f"#/$defs/{name}"}})
    return tables, known


def _reached(name: str, tables: Schema) -> list[str]:
    """The tables that the one called `name` is made of, itself first."""
    found, left = [], [name]
    while left:
        here = left.pop()
        if here not in found and "properties" in tables[here]:
            found.append(here)
            left += re.findall(r"#/\$defs/(\w+)", str(tables[here]))
    return found


def _filled(schema: Schema) -> Schema:
    return fillable(schema) if "properties" in schema else schema


def _written(schema: Any) -> Any:
    """`schema` as people write it: a default that is kept in other units than it is written in is left out."""
    if isinstance(schema, list):
        return [_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    words = {key: _members(value) if key in _MAPS else _written(value) for key, value in schema.items()}
    texts = {str(part.get("type")) for part in (schema, *schema.get("anyOf", ()))}
    if "$ref" in schema or (texts <= {"string", "null", "None"} and isinstance(schema.get("default"), float | int)):
        words.pop("default", None)
    return words


def _members(schemas: Any) -> Any:
    """A map whose keys are names of people's choice, not words of JSON Schema."""
    return {name: _written(schema) for name, schema in schemas.items()}


def branches(schema: Schema, root: Schema, left: int = _MAX_STEPS) -> Iterator[Schema]:
    """`schema` itself and every alternative in it, references followed; the outermost first."""
    yield schema
    inner = [option for word in ("anyOf", "oneOf", "allOf") for option in schema.get(word, ())]
    if "$ref" in schema:
        inner.append(root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {}))
    for option in inner if left else ():
        yield from branches(option, root, left - 1)


def at(root: Schema, path: Path) -> list[Schema]:
    """Everything that `root` says of the value at `path`."""
    found = [root]
    for step in path:
        found = [inner for outer in found for schema in branches(outer, root) for inner in _children(schema, step)]
    return [schema for outer in found for schema in branches(outer, root)]


def _children(schema: Schema, step: Key) -> Iterator[Schema]:
    if isinstance(step, int):
        prefix = schema.get("prefixItems", ())
        yield from prefix[step : step + 1] or filter(_is_table, (schema.get("items"),))
    elif step in schema.get("properties", {}):
        yield schema["properties"][step]
    else:
        yield from _of_any_key(schema)


def _of_any_key(schema: Schema) -> Iterator[Schema]:
    yield from filter(_is_table, (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")))


def _is_table(schema: Any) -> bool:
    return isinstance(schema, dict)


@cache
def leaves(table: type[BaseModel], form: str) -> tuple[Pattern, ...]:
    """Where values of JSON Schema format `form` ("password", "path") may stand in `table`."""
    root = table_schema(table)
    return tuple(dict.fromkeys(_leaves(root, root, form, ())))


def _leaves(schema: Schema, root: Schema, form: str, path: Pattern) -> Iterator[Pattern]:
    if len(path) > _MAX_STEPS:
        return
    for option in branches(schema, root):
        if option.get("format") == form:
            yield path
        for step, inner in option.get("properties", {}).items():
            yield from _leaves(inner, root, form, (*path, step))
        anywhere = (*_of_any_key(option), *filter(_is_table, (option.get("items"), *option.get("prefixItems", ()))))
        for inner in anywhere:
            yield from _leaves(inner, root, form, (*path, None))


def match(data: Any, pattern: Pattern, path: Path = ()) -> Iterator[tuple[Path, Any, Key]]:
    """The values in `data` that `pattern` means: path, container, and key in the container."""
    if not pattern:
        return
    for key in _keys(data, pattern[0]):
        if len(pattern) == 1:
            yield (*path, key), data, key
        else:
            yield from match(data[key], pattern[1:], (*path, key))


def _keys(data: Any, step: str | None) -> list[Key]:
    if isinstance(data, dict):
        return list(data) if step is None else [step] * (step in data)
    return list(range(len(data))) if step is None and isinstance(data, list) else []
