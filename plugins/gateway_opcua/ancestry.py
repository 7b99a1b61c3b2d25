"""What the types of a server are called, and of which others they are kinds: asked once for each type of a session."""

from collections.abc import Collection
from typing import Final

from asyncua import ua

from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.found import address_of
from gateway_opcua.inventory import BROWSE_NAME, value_at
from gateway_opcua.references import binary, from_binary
from gateway_opcua.session import Session
from gateway_opcua.wire import CodecError

_HAS_SUBTYPE: Final = 45
_HIGHEST: Final = 30  # steps up
_MOST: Final = 1000  # types of one session; of more only the node id is told
_PREFIX: Final = ":"  # in a qualified name, behind its namespace


class Ancestry:
    """The types of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[bytes, str] = {}
        self._above: dict[bytes, bytes] = {}  # b"": nothing is above it, or the server does not say

    async def learn(self, kind: bytes) -> None:
        """Ask for a type and all above it. Raises DisconnectedError."""
        for _ in range(_HIGHEST):
            if not kind or kind in self._above or len(self._above) >= _MOST:
                return
            self._names[kind] = await self._name(kind)
            kind, below = await self._step(kind), kind
            self._above[below] = kind

    def name(self, kind: bytes) -> str:
        """Its browse name; its node id where that is not known; "" for none."""
        return self._names.get(kind) or (address_of(kind, self._session.namespaces) if kind else "")

    def line(self, kind: bytes) -> list[bytes]:
        """The type and all above it, as far as they are known."""
        found = []
        while kind and kind not in found:
            found.append(kind)
            kind = self._above.get(kind, b"")
        return found

    def is_one(self, kind: bytes, of: Collection[bytes]) -> bool:
        """Whether it is one of these types, or a kind of one."""
        return not of or any(one in of for one in self.line(kind))

    async def _name(self, kind: bytes) -> str:
        try:
            columns = await self._session.read(ReadPlan([kind], BROWSE_NAME))
        except (TimeoutError, ServiceFaultError, CodecError):
            return ""
        return str(value_at(columns, 0) or "").rpartition(_PREFIX)[2]

    async def _step(self, kind: bytes) -> bytes:
        """The type that it is a kind of."""
        wanted = ua.BrowseDescription(
            NodeId=from_binary(kind),
            BrowseDirection=ua.BrowseDirection.Inverse,
            ReferenceTypeId=ua.NodeId(ua.Int32(_HAS_SUBTYPE)),
            IncludeSubtypes=True,
            ResultMask=ua.UInt32(0x3F),
        )
        try:
            results = await self._session.ask(
                lambda service: service.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
            )
        except ServiceFaultError:
            return b""
        self._session.expect(len(results or []), 1)
        above = results[0].References or []
        return binary(above[0].NodeId, self._session.namespaces) if above else b""
