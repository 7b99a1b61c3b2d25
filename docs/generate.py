"""Writes the reference pages and the schemas from the code: `python docs/generate.py`. Tests fail while they are stale.

docs/configuration.md and config/schema/{fieldgate,devices,templates}.json come from the tables of the gateway and of
its adapters, the metrics in docs/operations.md from `gateway.ops.metrics` and the counters in each adapter's README,
what is worth an alert from the rules for Prometheus.
"""  # noqa: INP001 - a script beside the pages that it writes, not a package

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from gateway.config.editing import MANY
from gateway.config.jsonschema import device_schema, main_schema, template_schema
from gateway.config.schema import Root
from gateway.ingest.registry import Registry
from gateway.ops.metrics import HELP, PREFIX
from gateway.sdk import Delay, DeviceConfig, Duration, Rate, Size, TagConfig

DOCS: Final = Path(__file__).resolve().parent
CONFIGURATION: Final = DOCS / "configuration.md"
OPERATIONS: Final = DOCS / "operations.md"
SCHEMAS: Final = DOCS.parent / "config/schema"
RULES: Final = DOCS.parent / "config/prometheus/fieldgate.rules.yml"
ADAPTERS: Final = ("modbus", "opcua", "sim")
Row = tuple[str, ...]

_MARKED: Final = re.compile(r"(<!-- (metrics|alerts), by docs/generate\.py -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
_FIGURE: Final = re.compile(r"\{\{ \$(?:labels\.)?(\w+).*?\}\}")
_README_COUNTER: Final = re.compile(r"^\| `(\w+_(?:total|standing))` \| (.+?) \|", re.MULTILINE)
_UNITS: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "duration": ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (0.001, "ms")),
    "size": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "rate": ((1 / 60, "/min"), (1 / 3600, "/h"), (1 / 86400, "/day"), (1 / 604800, "/week")),
}
_TYPES: Final = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list",
    "object": "table",
}  # fmt: skip

# What the metrics carry beside gateway.ops.metrics.HELP: names that are put together when something is counted.
LABELS: Final = {
    "info": "version, gateway",
    "configuration_info": "number, digest",
    "device_up": "device",
    "asset_score_ratio": "asset",
    "asset_phase": "asset, phase",
    "asset_alarm_standing": "asset",
    "outbox_oldest_seconds": "class",
    "certificate_days": "connection, role",
    "part_restarts_total": "part",
    "calibrations_total": "width",
    "fits_failed_total": "width",
    "commands_refused_total": "reason",
    "writes_total": "result",
    "writes_refused_total": "reason",
    "calls_total": "result",
    "calls_refused_total": "reason",
    **dict.fromkeys(
        (
            "alarms_hour",
            "alarms_ten_minutes",
            "alarms_active",
            "alarms_unacknowledged",
            "alarms_standing",
            "alarms_shelved",
            "alarms_out_of_service",
            "alarms_chattering",
        ),
        "severity",
    ),
    "outbox_dropped_readings_total": "class, reason",
    **dict.fromkeys(
        ("outbox_queued_records", "outbox_queued_readings", "outbox_accepted_total", "outbox_acked_readings_total"),
        "class",
    ),
    **dict.fromkeys((name for name in HELP if name.startswith("model_")), "model"),
    **dict.fromkeys(
        (
            "connects_total",
            "losses_total",
            "faults_total",
            "readings_flooded_total",
            "scans_failed_total",
            "readings_backfilled_total",
            "gaps_filled_total",
            "gaps_given_up_total",
        ),
        "connection",
    ),
}


_INTRODUCTION: Final = """\
# Configuration: every option

Written by `docs/generate.py` from the tables that the gateway itself reads.
A duration is written `200ms`, `1s`, `5min`, `2h`, `1d`, `1w`; a size `512KiB`, `64MiB`, `2GB`; a rate `1/week`,
`2/day`. A number without its unit is refused. A secret is written `!secret NAME`, never in plain text. Relative paths
are meant from the file that they stand in, a bare name that systemd has handed over (`LoadCredential=`) from there.
`-` as a default: unset.

`fieldgate schema` and `fieldgate schema --device ADAPTER` print the same as JSON Schema, for editors.

## fieldgate.yaml
"""
_DEVICES: Final = """\
## devices.d/*.yaml

One device a document; several in one file are parted by a line `---`.

### Every device
"""
_MANY: Final = """\
### Many from one

What a device or an asset may say beside its options; a template takes all but `for`.
[many-from-one.md](many-from-one.md) shows templates, ranges, tag lists in CSV and included files.

"""


def configuration() -> str:
    """The page of all options."""
    models = Registry().models()
    parts = [
        _INTRODUCTION,
        _table(_options(Root)),
        *(_section(path, table) for path, table in _sections(Root, "")),
        _DEVICES,
        _table(_options(DeviceConfig)),
        "### Every tag\n\n" + _table(_options(TagConfig)),
        *(_section(f"{path} of a tag", table) for path, table in _sections(TagConfig, "")),
        _MANY + _table([(f"`{name}`", _either(words), "-", words["description"]) for name, words in MANY.items()]),
        *(_adapter(name, models[name]) for name in ADAPTERS),
    ]
    return "\n".join(parts)


def _section(heading: str, table: type[BaseModel]) -> str:
    return f"### {heading}\n\n{_sentence(table)}\n\n{_table(_options(table))}"


def metrics() -> str:
    """The table of all metrics."""
    rows: list[Row] = [(f"`{PREFIX}{name}`", LABELS.get(name, ""), text) for name, text in sorted(HELP.items())]
    for adapter in ADAPTERS:
        for name, text in readme_counters(adapter).items():
            rows.append((f"`{PREFIX}{name}`", "connection", f"{adapter}: {text}"))
    return _rows(("metric", "labels", "meaning"), rows)


def alerts() -> str:
    """The table of all alert rules: what stands in their annotations."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rows: list[Row] = [
        (
            f"`{rule['alert']}`",
            f"`{rule['expr'].strip()}`",
            rule.get("for", "at once"),
            *_annotated(rule["annotations"]),
        )
        for group in groups
        for rule in group["rules"]
    ]
    return _rows(("alert", "when", "for", "means", "what to do"), rows)


def _annotated(words: dict[str, str]) -> tuple[str, str]:
    """What an alert means and what to do; the figures that are filled in by Prometheus are named in capitals."""
    means, remedy = (_FIGURE.sub(lambda found: found[1].upper(), words[name]) for name in ("summary", "remedy"))
    return means, remedy


def readme_counters(adapter: str) -> dict[str, str]:
    """The counters that an adapter's README lists, with their meaning."""
    readme = DOCS.parent / f"plugins/gateway_{adapter}/README.md"
    return dict(_README_COUNTER.findall(readme.read_text())) if readme.is_file() else {}


def operations(page: str) -> str:
    """`page` with its tables of metrics and alerts written anew."""
    made = {"metrics": metrics, "alerts": alerts}
    return _MARKED.sub(lambda found: f"{found[1]}\n{made[found[2]]()}\n{found[3]}", page)


def schemas() -> dict[str, str]:
    """What editors check files by, by name of the schema's file."""
    tables = Registry().models()
    models = {name: tables[name] for name in ADAPTERS}
    made = {"fieldgate": main_schema(), "devices": device_schema(models), "templates": template_schema(models)}
    return {f"{name}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in made.items()}


def _adapter(name: str, model: type[DeviceConfig]) -> str:
    """What an adapter adds to every device and every tag."""
    tag = next(found for _, found in _sections(model, "") if issubclass(found, TagConfig))
    own_device = [row for row in _options(model) if row not in _options(DeviceConfig) and row[0] != "`tags`"]
    own_tag = [row for row in _options(tag) if row not in _options(TagConfig)]
    inner = [(path, table) for path, table in _sections(model, "") if not path.startswith("tags")]
    return (
        f"### adapter: {name}\n\nSee [its README](../plugins/gateway_{name}/README.md). Of the device:\n\n"
        f"{_table(own_device)}\nOf a tag:\n\n{_table(own_tag)}"
        + "".join(f"\nOf {path}:\n\n{_table(_options(table))}" for path, table in inner)
    )


def _sections(table: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables inside `table`, each with the path that leads to it; NAME is a name of people's choice."""
    for name, field in table.model_fields.items():
        for inner, named in _tables(field.annotation):
            here = ".".join(filter(None, (path, name, "NAME" if named else "")))
            yield here, inner
            yield from _sections(inner, here)


def _tables(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """The tables that an annotation names, and whether they are values of a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    arguments = getattr(annotation, "__args__", ())
    is_map = isinstance(getattr(annotation, "__origin__", None), type) and len(arguments) == 2  # noqa: PLR2004 - key and value
    for argument in arguments:
        for table, _ in _tables(argument):
            yield table, is_map


def _options(table: type[BaseModel]) -> list[Row]:
    """A row for each option of a table: name, type, default, sentence."""
    schema = table.model_json_schema()
    found: list[Row] = []
    for name, field in table.model_fields.items():
        words = schema["properties"][name]
        kind, text = _kind(words, schema)
        default = (
            "**required**" if field.is_required() else _default(field.get_default(call_default_factory=True), kind)
        )
        found.append((f"`{name}`", text, default, words["description"]))
    return found


def _kind(words: dict[str, Any], schema: dict[str, Any]) -> tuple[str, str]:
    """What a value is, for formatting its default, and for people."""
    branches = [part for part in words.get("anyOf", [words]) if part.get("type") != "null"]
    if "$ref" in branches[0]:
        branches = [schema["$defs"][branches[0]["$ref"].rpartition("/")[2]]]
    first = branches[0]
    if allowed := first.get("enum") or ([first["const"]] if "const" in first else []):
        return "text", ", ".join(f"`{word}`" for word in allowed)
    for kind, pattern in _PATTERNS.items():
        if first.get("pattern") == pattern:
            return kind, kind
    named = {"password": "secret", "path": "path"}.get(first.get("format", ""), "")
    types = [first["type"]] if isinstance(first["type"], str) else first["type"]
    text = named or " or ".join(_TYPES[kind] for kind in types)
    return text, text + _limits(first)


def _pattern(unit: Any) -> str:
    """The pattern that values with a unit of this kind match."""
    return next(str(part.json_schema["pattern"]) for part in unit.__metadata__ if hasattr(part, "json_schema"))


_PATTERNS: Final = {"duration": _pattern(Duration), "size": _pattern(Size), "rate": _pattern(Rate)}
assert _pattern(Delay) == _PATTERNS["duration"]  # noqa: S101 - a delay is written as a duration


def _limits(words: dict[str, Any]) -> str:
    names = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {words[name]}" for name, sign in names.items() if name in words]
    return f", {' and '.join(limits)}" if limits else ""


def _default(value: Any, kind: str) -> str:
    if value is None or value in ("", {}):
        return "-"
    if isinstance(value, BaseModel):
        return "its own"
    return f"`{_written(value, kind)}`"


def _written(value: Any, kind: str) -> str:
    """A default as a person would write it."""
    if kind not in _UNITS:
        return str(value)
    if value == 0:
        return "0s"
    for factor, unit in _UNITS[kind]:
        number = value / factor
        if number >= 1 - 1e-9 and abs(number - round(number)) < 1e-6:  # noqa: PLR2004 - rounding of floats
            return f"{round(number)}{unit}"
    return str(value)


def _either(words: dict[str, Any]) -> str:
    return " or ".join(_TYPES[kind] for kind in words["type"])


def _sentence(table: type[BaseModel]) -> str:
    return (table.__doc__ or "").split("\n\n")[0].strip()


def _table(rows: list[Row]) -> str:
    return _rows(("option", "type", "default", "meaning"), rows)


def _rows(head: Row, rows: list[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    CONFIGURATION.write_text(configuration())
    OPERATIONS.write_text(operations(OPERATIONS.read_text()))
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text)
