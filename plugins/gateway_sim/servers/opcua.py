"""An OPC UA server: tags as Double variables `ns=2;s=DEVICE.TAG`, with source time, unit and range.

Endpoint without security, or Basic256Sha256 (Sign and SignAndEncrypt) with a certificate made at start; users optional.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.callback import CallbackType
from asyncua.common.node import Node
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from numpy.typing import NDArray

from gateway_sim.points import Point
from gateway_sim.servers.certificate import self_signed

HOST: Final = "127.0.0.1"
NAMESPACE: Final = "urn:fieldgate:sim"
APPLICATION: Final = "urn:fieldgate:sim:server"
_STOP_WITHIN: Final = 2.0  # s
_NO_DATA: Final = ua.StatusCode(ua.UInt32(StatusCodes.BadNoData))
_SECURE: Final = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt, ua.SecurityPolicyType.Basic256Sha256_Sign]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read. Without a user anyone may; `secure` offers Basic256Sha256 in place of no security."""

    secure: bool = False
    user: str | None = None
    password: str | None = None


class _Users(UserManager):
    """Whom asyncua lets in: None refuses."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        del iserver, certificate
        known = self._access.user is None or (username, password) == (self._access.user, self._access.password)
        return User(role=UserRole.User, name=username) if known else None


OPEN: Final = Access()


class OpcuaServer:
    """Serves one value a tag. `show` gives the values; `on_read` hears which tags a client has just read."""

    def __init__(self, device: str, points: Sequence[Point], access: Access = OPEN) -> None:
        self.device, self.points = device, points
        self.before_read: Callable[[], Any] | None = None
        """Awaited before a client's read is answered: what it shows is what the client sees."""
        self.on_read: Callable[[set[int]], None] | None = None
        """Called with the tags that a client has just read."""
        self._access = access
        self._server = Server(user_manager=_Users(access))
        self._nodes: list[Node] = []
        self._column: dict[ua.NodeId, int] = {}

    async def start(self, port: int = 0) -> str:
        """Listen on `port` of this machine, a free one for 0. Returns the endpoint's URL."""
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://{HOST}:{port}/")
        await self._server.set_application_uri(APPLICATION)
        await self._secure()
        await self._build()
        self._server.subscribe_server_callback(CallbackType.PreRead, self._before)
        self._server.subscribe_server_callback(CallbackType.PostRead, self._after)
        await self._server.start()
        assert self._server.bserver is not None  # noqa: S101 - `start` has just made it
        return f"opc.tcp://{HOST}:{self._server.bserver.port}/"

    def node_id(self, index: int) -> str:
        """Where tag `index` is found, as a configuration writes it."""
        return f"ns=2;s={self.device}.{self.points[index].name}"

    async def show(self, values: NDArray[np.float64], time_ns: int) -> None:
        """Serve `values`, shape (tags,), with this source time, from now on. NaN is served as BadNoData."""
        moment = ua.DateTime.fromtimestamp(time_ns / 1e9, UTC)
        for node, value in zip(self._nodes, values.tolist(), strict=True):
            await self._server.write_attribute_value(node.nodeid, _data_value(value, moment))

    async def stop(self) -> None:
        """Close listener and sessions, in bounded time."""
        internal = self._server.iserver
        if internal.time_task is not None:  # asyncua would sit out its second of sleep
            internal.time_task.cancel()
            internal.time_task = None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._server.stop(), _STOP_WITHIN)

    async def _secure(self) -> None:
        token = ua.AnonymousIdentityToken if self._access.user is None else ua.UserNameIdentityToken
        self._server.set_identity_tokens([token])
        if not self._access.secure:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        certificate, key = await asyncio.to_thread(self_signed, APPLICATION)
        await self._server.load_certificate(certificate, "pem")
        await self._server.load_private_key(key, format="pem")
        self._server.set_security_policy(_SECURE)

    async def _build(self) -> None:
        await self._server.register_namespace(NAMESPACE)
        folder = await self._server.nodes.objects.add_object(
            ua.NodeId.from_string(f"ns=2;s={self.device}"), ua.QualifiedName(self.device, 2)
        )
        for index, point in enumerate(self.points):
            name = ua.QualifiedName(point.name, 2)
            node = await folder.add_variable(
                ua.NodeId.from_string(self.node_id(index)), name, 0.0, ua.VariantType.Double
            )
            await _describe(node, point)
            self._nodes.append(node)
            self._column[node.nodeid] = index

    async def _before(self, event: Any, _service: Any) -> None:
        if self.before_read is not None and event.is_external:
            await self.before_read()

    async def _after(self, event: Any, _service: Any) -> None:
        if self.on_read is None or not event.is_external:
            return
        asked = (item.NodeId for item in event.request_params.NodesToRead if item.AttributeId == AttributeIds.Value)
        if read := {self._column[node] for node in asked if node in self._column}:
            self.on_read(read)


def _data_value(value: float, moment: ua.DateTime) -> ua.DataValue:
    if np.isnan(value):
        return ua.DataValue(StatusCode=_NO_DATA, SourceTimestamp=moment)
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=moment, ServerTimestamp=moment)


async def _describe(node: Node, point: Point) -> None:
    """Unit and range as OPC UA Part 8 §5.3.2 has them (AnalogItemType), so that a client can browse them."""
    if point.unit:
        unit = ua.EUInformation(
            NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
            UnitId=-1,  # Part 8 §5.6.3: a unit without a code
            DisplayName=ua.LocalizedText(point.unit),
            Description=ua.LocalizedText(point.unit),
        )
        await node.add_property(0, "EngineeringUnits", unit)
    if point.low is not None and point.high is not None:
        await node.add_property(0, "EURange", ua.Range(Low=point.low, High=point.high))
    if point.description:
        await node.write_attribute(
            AttributeIds.Description, ua.DataValue(ua.Variant(ua.LocalizedText(point.description)))
        )
