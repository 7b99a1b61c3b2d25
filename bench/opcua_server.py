"""An OPC UA server that costs next to nothing: asyncua's sessions and security, the readings from prepared columns.

    python -m bench.opcua_server [--port 0]

Its variables are ns=2;i=0 and up; none has to be made. Below 1,000,000 each is a Double that moves with every answer,
with the time of that answer; from there on Double, Float, Int32 and Boolean in turn, at rest. Read and Publish are
answered from arrays encoded beforehand, for a request that was seen before without looking at it again.
"""

import argparse
import asyncio
import json
import logging
import socket
import struct
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.server import binary_server_asyncio
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary
from cryptography.x509.oid import ExtendedKeyUsageOID
from numpy.typing import NDArray

from gateway_opcua.codec import (
    ATTRIBUTE_VALUE,
    PUBLISH_REQUEST,
    PUBLISH_RESPONSE,
    READ_REQUEST,
    READ_RESPONSE,
    type_id,
)
from gateway_opcua.columns import FILETIME_EPOCH

SPACE: Final = 2  # index of the namespace of the variables
MIXED: Final = 1_000_000  # first of those of several types
URI: Final = "urn:fieldgate:bench:server"
_MOST: Final = 10_000  # nodes in one call of any kind
_LIMITS: Final = (11705, 11714, 11710, 11712)  # nodes per read, items per call, nodes per browse, paths per call
_BAD_ATTRIBUTE: Final = b"\x02" + struct.pack("<I", 0x80350000)
_RECORD: Final = [("mask", "u1"), ("kind", "u1"), ("value", "<f8"), ("time", "<i8")]
_VALUE_AND_TIME: Final = 5  # mask of a DataValue
_NO_DIAGNOSTICS: Final = b"\xff\xff\xff\xff"
_FORMS: Final = {11: "<d", 10: "<f", 6: "<i", 1: "<?"}
_CREATE, _DELETE, _ITEMS = 787, 847, 751  # CreateSubscription, DeleteSubscriptions, CreateMonitoredItems (requests)


class Values:
    """DataValues that move: each telling is one more than the one before."""

    def __init__(self, numbers: NDArray[np.int64], handles: NDArray[np.uint32] | None = None) -> None:
        head = [] if handles is None else [("handle", "<u4")]
        self._records = np.zeros(len(numbers), head + _RECORD)
        self._records["mask"], self._records["kind"], self._records["value"] = _VALUE_AND_TIME, 11, numbers
        if handles is not None:
            self._records["handle"] = handles

    def __len__(self) -> int:
        return len(self._records)

    def told(self) -> bytes:
        """The next telling: number of values, values."""
        self._records["value"] += 1
        self._records["time"] = _now()
        return struct.pack("<i", len(self)) + self._records.tobytes()


@dataclass
class Watch:
    """One subscription."""

    id: int
    every: float
    numbers: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    sequence: int = 0
    values: Values | None = None

    def told(self) -> bytes:
        """The next NotificationMessage, with what stands around it in a PublishResponse."""
        if self.values is None or len(self.values) != len(self.numbers):
            self.values = Values(np.array(self.numbers), np.array(self.handles, np.uint32))
        self.sequence += 1
        body = self.values.told() + _NO_DIAGNOSTICS
        change = type_id(811) + b"\x01" + struct.pack("<i", len(body)) + body
        head = struct.pack("<IiBIqi", self.id, 0, 0, self.sequence, _now(), 1)
        return head + change + struct.pack("<i", 0) + _NO_DIAGNOSTICS


class Prepared(UaProcessor):
    """One connection."""

    reads: dict[bytes, Callable[[], bytes]] = {}  # noqa: RUF012 - one for all connections
    numbers = iter(range(1, 1 << 32))  # of subscriptions

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._watches: dict[int, Watch] = {}
        self._waiting: deque[tuple[int, Any]] = deque()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await super().close()  # type: ignore[no-untyped-call]  # asyncua's own

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        how = _HOW.get(int(typeid.Identifier))
        if how is None or self.session is None or not how(self, requesthdr.RequestHandle, seqhdr, body):
            return await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]
        self.session_last_activity = time.monotonic()
        self.session.touch()
        return True

    def _answer(self, service: int, handle: int, seqhdr: Any, content: bytes) -> None:
        header = struct.pack("<qIIBiBBB", _now(), handle, 0, 0, 0, 0, 0, 0)
        data = self._connection.message_to_binary(type_id(service) + header + content, request_id=seqhdr.RequestId)
        self._transport.write(data)

    def read(self, handle: int, seqhdr: Any, body: Any) -> bool:
        """Whether it was about our variables."""
        key = bytes(body)
        if key not in self.reads:
            parameters = struct_from_binary(ua.ReadParameters, body.copy())
            nodes = parameters.NodesToRead
            if any(node.NodeId.NamespaceIndex != SPACE for node in nodes):
                return False
            self.reads[key] = _reading(nodes)
        self._answer(READ_RESPONSE, handle, seqhdr, self.reads[key]() + _NO_DIAGNOSTICS)
        return True

    def create(self, handle: int, seqhdr: Any, body: Any) -> bool:
        """CreateSubscription."""
        wanted = struct_from_binary(ua.CreateSubscriptionParameters, body)
        watch = Watch(next(self.numbers), wanted.RequestedPublishingInterval / 1000)
        self._watches[watch.id] = watch
        self._tasks[watch.id] = asyncio.create_task(self._publish(watch))
        content = struct.pack("<IdII", watch.id, watch.every * 1000, wanted.RequestedLifetimeCount,
                              wanted.RequestedMaxKeepAliveCount)  # fmt: skip
        self._answer(790, handle, seqhdr, content)
        return True

    def items(self, handle: int, seqhdr: Any, body: Any) -> bool:
        """CreateMonitoredItems."""
        wanted = struct_from_binary(ua.CreateMonitoredItemsParameters, body)
        watch = self._watches[wanted.SubscriptionId]
        watch.numbers += [item.ItemToMonitor.NodeId.Identifier for item in wanted.ItemsToCreate]
        watch.handles += [item.RequestedParameters.ClientHandle for item in wanted.ItemsToCreate]
        results = b"".join(
            struct.pack("<IIdI", 0, item.RequestedParameters.ClientHandle + 1, watch.every * 1000, 1) + b"\0\0\0"
            for item in wanted.ItemsToCreate
        )
        self._answer(754, handle, seqhdr, struct.pack("<i", len(wanted.ItemsToCreate)) + results + _NO_DIAGNOSTICS)
        return True

    def delete(self, handle: int, seqhdr: Any, body: Any) -> bool:
        """DeleteSubscriptions."""
        ids = struct_from_binary(ua.DeleteSubscriptionsParameters, body).SubscriptionIds
        for number in ids:
            self._watches.pop(number, None)
            if task := self._tasks.pop(number, None):
                task.cancel()
        self._answer(850, handle, seqhdr, struct.pack("<i", len(ids)) + bytes(4 * len(ids)) + _NO_DIAGNOSTICS)
        return True

    def publish(self, handle: int, seqhdr: Any, _body: Any) -> bool:
        """A PublishRequest waits until there is something to tell."""
        self._waiting.append((handle, seqhdr))
        return True

    async def _publish(self, watch: Watch) -> None:
        """Tell everything once a period, on an absolute grid; what nobody asks for is left out."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += watch.every
            await asyncio.sleep(due - loop.time())
            if watch.numbers and self._waiting:
                handle, seqhdr = self._waiting.popleft()
                self._answer(PUBLISH_RESPONSE, handle, seqhdr, watch.told())


_HOW: Final[dict[int, Callable[..., bool]]] = {
    READ_REQUEST: Prepared.read,
    PUBLISH_REQUEST: Prepared.publish,
    _CREATE: Prepared.create,
    _ITEMS: Prepared.items,
    _DELETE: Prepared.delete,
}


def _reading(nodes: list[Any]) -> Callable[[], bytes]:
    """How a Read of these nodes is answered."""
    numbers = [int(node.NodeId.Identifier) for node in nodes]
    if any(node.AttributeId != ATTRIBUTE_VALUE for node in nodes):
        return lambda: struct.pack("<i", len(nodes)) + _BAD_ATTRIBUTE * len(nodes)
    if numbers[0] < MIXED:
        return Values(np.array(numbers)).told
    time_of = struct.pack("<q", _now())
    values = b"".join(_resting(number) + time_of for number in numbers)
    return lambda: struct.pack("<i", len(nodes)) + values


def _resting(number: int) -> bytes:
    kind = list(_FORMS)[number % len(_FORMS)]
    return bytes([_VALUE_AND_TIME, kind]) + struct.pack(_FORMS[kind], number - MIXED)


def _now() -> int:
    return time.time_ns() // 100 + FILETIME_EPOCH


async def serve(port: int) -> None:
    binary_server_asyncio.UaProcessor = Prepared  # type: ignore[attr-defined,assignment]  # its one way in
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await _certify(server)
    assert await server.register_namespace("urn:bench") == SPACE
    for limit in _LIMITS:
        await server.get_node(ua.NodeId(ua.Int32(limit))).write_value(ua.Variant(_MOST, ua.VariantType.UInt32))
    async with server:
        assert server.bserver is not None
        print(json.dumps({"port": server.bserver.port}), flush=True)
        await asyncio.Event().wait()


async def _certify(server: Server) -> None:
    await server.set_application_uri(URI)
    folder = Path(tempfile.mkdtemp())
    key, certificate = folder / "key.pem", folder / "certificate.der"
    await setup_self_signed_certificate(
        key, certificate, URI, socket.gethostname(), [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "bench"}
    )
    await server.load_certificate(str(certificate))
    await server.load_private_key(str(key))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
