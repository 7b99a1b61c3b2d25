"""What the assertions look at in a transcript, and the tables of them by tck-id."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from gateway.deliver.sparkplug.reading import Metric
from tests.deliver.sparkplug.life import Waiting
from tests.deliver.sparkplug.tap import Packet

Check = TypeVar("Check", bound=Callable[..., None])

NODE = {"NBIRTH", "NDEATH", "NDATA"}
DEVICE = {"DBIRTH", "DDEATH", "DDATA"}
NUMBERED = (NODE | DEVICE) - {"NDEATH"}
NAME = "Node Control/Rebirth"
BIRTHS = ("NBIRTH", "DBIRTH")
DATA = (*BIRTHS, "NDATA", "DDATA")

Life = list[Packet]
LIFE: dict[str, Callable[[Life], None]] = {}  # of both versions of MQTT
MQTT_5: dict[str, Callable[[Life], None]] = {}
MQTT_3: dict[str, Callable[[Life], None]] = {}
PRIMARY: dict[str, Callable[[Waiting], None]] = {}
NAMES: dict[str, Callable[[], None]] = {}


def asserts(table: dict[str, Callable[..., None]], *ids: str) -> Callable[[Check], Check]:
    """The function below checks these assertions: more than one where the specification says the same twice."""

    def enter(check: Check) -> Check:
        for one in ids:
            assert one not in table, one
            table[one] = check
        return check

    return enter


def of(packets: Iterable[Packet], *types: str) -> list[Packet]:
    """Messages of these types; a check that finds none checks nothing, so there must be some."""
    found = [packet for packet in packets if packet.type in types]
    assert found, f"no {types} in the transcript"
    return found


def plain(packets: Iterable[Packet], *types: str) -> None:
    """QoS 0, not retained."""
    assert {(packet.qos, packet.retain) for packet in of(packets, *types)} == {(0, False)}


def numbered_on(packets: Iterable[Packet], *types: str) -> None:
    """Each of these has the number behind that of the message before it, 0 behind 255; an NBIRTH begins with 0."""
    last: int | None = None
    checked = 0
    for packet in packets:
        if packet.kind == "CONNECT":
            last = None
        if packet.type not in NUMBERED:
            continue
        seq = packet.payload.seq
        assert seq is not None
        assert 0 <= seq <= 255
        if packet.type in types:
            checked += 1
            assert seq == (0 if packet.type == "NBIRTH" else ((last if last is not None else -2) + 1) % 256)
        last = seq
    assert checked


def timed(packets: Iterable[Packet], *types: str) -> None:
    """The payload bears the time of its sending, Unix ms: it lies within this test run."""
    now = time.time_ns() // 10**6
    for packet in of(packets, *types):
        assert now - 600_000 < (packet.payload.timestamp or 0) <= now


def metrics(packets: Iterable[Packet], *types: str) -> list[Metric]:
    """All metrics of these messages."""
    return [one for packet in of(packets, *types) for one in packet.payload.metrics]


def named(packet: Packet, name: str) -> Metric:
    """The one metric of that name."""
    [found] = [one for one in packet.payload.metrics if one.name == name]
    return found


def bdseq(body: Packet) -> object:
    """The bdSeq in a birth or death."""
    return named(body, "bdSeq").value


def connections(packets: Iterable[Packet]) -> Iterator[list[Packet]]:
    """What was sent on each connection, CONNECT first."""
    turn: list[Packet] = []
    for packet in packets:
        if packet.kind == "CONNECT" and turn:
            yield turn
            turn = []
        turn.append(packet)
    yield turn


def births(packets: Iterable[Packet]) -> Iterator[list[Packet]]:
    """What follows each NBIRTH, up to the next or to the end of its connection; the NBIRTH comes first."""
    for connection in connections(packets):
        starts = [at for at, packet in enumerate(connection) if packet.type == "NBIRTH"]
        for start, end in zip(starts, [*starts[1:], len(connection)], strict=True):
            yield connection[start:end]


def with_quality(life: Life) -> list[Metric]:
    """Metrics that tell their quality."""
    found = [one for one in metrics(life, *DATA) if "Quality" in one.properties]
    assert found
    return found


def births_come_first(life: Life, kind: str) -> None:
    """The node is born before any, and the device, if it is of one."""
    assert of(life, kind)
    for connection in connections(life):
        born: set[str] = set()
        for packet in connection:
            if packet.type in BIRTHS:
                born = {""} if packet.type == "NBIRTH" else born | {packet.device}
            elif packet.type == "DDEATH":
                born.discard(packet.device)
            elif packet.type == kind:
                assert packet.device in born


def in_order(life: Life, birth: str, data: str) -> None:
    """The values of a metric that are not historical come in the order of their times."""
    assert of(life, data)
    for connection in connections(life):
        last: dict[int | None, int] = {}
        for packet in (packet for packet in connection if packet.type in (birth, data)):
            for one in packet.payload.metrics:
                if not one.historical and not one.null:
                    assert last.get(one.alias, 0) <= (one.timestamp or 0)
                    last[one.alias] = one.timestamp or 0


def subscribed(life: Life, topic: str) -> None:
    """With QoS 1, before anything is published."""
    for connection in connections(life):
        kinds = [packet.kind for packet in connection]
        asked = connection[kinds.index("SUBSCRIBE")]
        assert (topic, 1) in asked.topics
        assert kinds.index("SUBSCRIBE") < kinds.index("PUBLISH")


def reborn(life: Life) -> Life:
    """The last birth of the first connection: the one that a host asked for."""
    return [birth for birth in births(life) if birth[0].connection == 1][-1]
