"""asyncua's public API by itself, to hold the adapter against: `python public_client.py PORT NODES`.

For each line `HOW SEED` it writes a random value (`Random.values`), status and source time to each node V0, V1, …,
reads them back with `Client.read_attributes`, and answers in one line with what the API gave, as plain JSON: for each
node its type, whether it is one value, the value, StatusCode and source time in Unix ns. The process is one of its own,
because asyncua keeps the makers' types that it has learnt for all of its process.
"""

import asyncio
import base64
import datetime as dt
import itertools
import json
import logging
import sys
import uuid
from enum import Enum
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client

sys.path.insert(0, str(Path(__file__).parents[3]))  # it runs as a script
from tests.plugins.gateway_opcua.random_values import EPOCH, MEMBERS, Random

URI: Final = "http://fieldgate.test/values"
VALUE: Final = ua.attribute_ids.AttributeIds.Value
LETTERS: Final = {"int": "i", "str": "s", "UUID": "g", "bytes": "b"}


def told(value: ua.DataValue) -> list[Any]:
    """[type, whether it is one value, value, status, source time]."""
    variant, status = value.Value, value.StatusCode
    kind, single = (variant.VariantType.value, not variant.is_array) if variant else (0, True)
    time = value.SourceTimestamp
    return [kind, single, plain(variant), int(status.value) if status else 0, time and nanoseconds(time)]


def nanoseconds(time: dt.datetime) -> int:
    return round((time.replace(tzinfo=dt.UTC) - EPOCH) / dt.timedelta(microseconds=1)) * 1000


def plain(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one line a type
    match value:
        case None | bool() | str() | float():
            return value
        case Enum():
            return f"{value.name}_{value.value}"
        case int():
            return int(value)
        case list():
            return [plain(one) for one in value]
        case bytes():
            return base64.b64encode(value).decode()
        case uuid.UUID():
            return str(value)
        case dt.datetime():
            return value.replace(tzinfo=None).isoformat() + "Z"
        case ua.LocalizedText():
            return value.Text
        case ua.StatusCode():
            return int(value.value)
        case ua.QualifiedName():
            return f"{value.NamespaceIndex}:{value.Name or ''}"  # node-opcua makes an empty one null, and the other way
        case ua.NodeId():
            return node(value)
        case ua.Variant() | ua.DataValue() | ua.XmlElement():
            return plain(value.Value)
        case ua.UaUnion():
            return {MEMBERS[value.Encoding - 1]: plain(value.Value)}  # type: ignore[attr-defined]  # made at run time
    return {name: plain(one) for name, one in fields(value) if not (name in ("Note", "Wide") and one is None)}


def fields(value: Any) -> list[tuple[str, Any]]:
    names = itertools.chain.from_iterable(getattr(kind, "__annotations__", {}) for kind in type(value).__mro__)
    return [(name, getattr(value, name)) for name in names if name not in ("Encoding", "data_type")]


def node(value: ua.NodeId) -> str:
    letter = next(LETTERS[kind.__name__] for kind in type(value.Identifier).__mro__ if kind.__name__ in LETTERS)
    space = f"ns={value.NamespaceIndex};" if value.NamespaceIndex else ""
    return f"{space}{letter}={plain(value.Identifier)}"


async def obey(port: int, count: int) -> None:
    async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=20) as client:
        made = await client.load_data_type_definitions()
        index = await client.get_namespace_index(URI)
        nodes = [client.get_node(ua.NodeId(ua.String(f"V{number}"), ua.Int16(index))) for number in range(count)]
        answer("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            how, seed = line.split()
            values = Random(seed, made).values(count, how)
            ids = [one.nodeid for one in nodes]
            for result in await client.uaclient.write_attributes(ids, values, VALUE):
                result.check()
            answer(json.dumps([told(value) for value in await client.read_attributes(nodes)]))


def answer(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(obey(*map(int, sys.argv[1:])))
