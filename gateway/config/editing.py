"""What an editor's schema allows beside the options: `use`, `with`, `for`, parameters and files in values."""

from typing import Any, Final

from gateway.config.merge import FOR, PARAMETERS, USE, WITH, WORDS

Schema = dict[str, Any]

FILLED: Final = "filled_in"
_FILLED_IN: Final = {
    "type": "string",
    "pattern": r"\$\{|\.(yaml|csv)$",
    "description": "A parameter, ${name}, or a file: !include FILE, !csv FILE.",
}
MANY: Final[Schema] = {
    USE: {
        "type": ["string", "array"],
        "items": {"type": "string"},
        "description": "Template that it is made of, NAME or NAME@VERSION in templates/; several in a list.",
    },
    WITH: {
        "type": ["object", "string"],
        "description": "Value of each parameter of the template.",
    },
    FOR: {
        "type": ["object", "string"],
        "description": "Values that one each is made for: {n: 1..20}, {line: [a, b]}, or !csv FILE, a row each.",
    },
}

TEMPLATE: Final[Schema] = {
    PARAMETERS: {
        "type": "object",
        "description": "What whoever uses the template may or must give: NAME: DEFAULT, or {description, default}.",
    },
    **{word: MANY[word] for word in (USE, WITH)},
}


def many(schema: Schema) -> Schema:
    """The schema of a table that may be made of templates: what is required may come from them."""
    required = {"anyOf": [{"required": schema["required"]}, {"required": [USE]}]} if "required" in schema else {}
    rest = {word: value for word, value in schema.items() if word != "required"}
    return {**rest, **required, "properties": {**schema["properties"], **MANY}}


def template(schema: Schema) -> Schema:
    """The schema of a template of such a table: it may say any part of it, and declares parameters."""
    rest = {word: value for word, value in schema.items() if word != "required"}
    return {**rest, "properties": {**schema["properties"], **TEMPLATE}}


def fillable(schema: Schema, reference: str = f"#/$defs/{FILLED}") -> Schema:
    """The schema of a table whose values may be parameters or files."""
    properties = {
        name: value if name in WORDS else _either(value, reference) for name, value in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def definitions() -> Schema:
    """What `fillable` refers to."""
    return {FILLED: _FILLED_IN}


def _either(schema: Schema, reference: str) -> Schema:
    told: Schema = {word: schema[word] for word in ("description", "default", "title") if word in schema}
    rest = {word: value for word, value in schema.items() if word not in told}
    return {**told, "anyOf": [rest, {"$ref": reference}]}
