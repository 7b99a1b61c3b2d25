"""What each device's values mean, as one retained message a device: unit, range, texts, description of its tags.

For consumers that meet a number and want to know what of (docs/messages.md, "Metadata"). Bounded in bytes: brokers end
the connection of whoever sends more than they take.
"""

from collections.abc import Iterator
from typing import Any, Final

from gateway.deliver.event import SCHEMA, dumps
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.sdk.tags import Device, Tag, TagTable
from gateway.stages.meaning import Meanings

META: Final = "meta"  # class of the topic
LARGEST: Final = 128 * 1024  # bytes of a message: what the strictest of the large brokers takes
_LESS: Final = ("texts", "description", "range")  # left out in this order where it would be larger


def metadata(gateway: str, topics: Topics, table: TagTable, meanings: Meanings) -> Iterator[Frame]:
    """A message for each device of which anything is known; none where the topics do not tell devices apart."""
    if topics.of(META, "a") == topics.of(META, "b"):
        return
    for device in table.devices:
        told = {table.names[tag.row]: known for tag in device.tags if (known := _known(tag, meanings))}
        if told or device.config.description:
            yield Frame(topics.of(META, device.name), _body(gateway, device, told), qos=0, retain=True)


def _known(tag: Tag, meanings: Meanings) -> dict[str, Any]:
    said = meanings.of(tag.row)
    texts = {str(number): text for number, text in said.texts.items()}
    known = {"unit": said.unit, "range": said.range, "description": tag.config.description, "texts": texts}
    return {name: one for name, one in known.items() if one}


def _body(gateway: str, device: Device, told: dict[str, dict[str, Any]]) -> bytes:
    """The message; of one that would be too large what is least missed is left out, and that it is."""
    head = {"schema": SCHEMA, "gateway": gateway, "device": device.name}
    head |= {"description": device.config.description} if device.config.description else {}
    body = dumps(head | {"metadata": told})
    for count in range(1, len(_LESS) + 1):
        if len(body) <= LARGEST:
            return body
        less = {name: {key: one for key, one in tag.items() if key not in _LESS[:count]} for name, tag in told.items()}
        body = dumps(head | {"left_out": _LESS[:count], "metadata": {name: tag for name, tag in less.items() if tag}})
    return body if len(body) <= LARGEST else dumps(head | {"left_out": ["all"], "metadata": {}})
