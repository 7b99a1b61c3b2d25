"""Calling methods and acknowledging conditions: once, with what the server itself says that it takes (Part 4 §5.11).

An answer that says that nothing was done is a refusal; one that says that it failed is no proof of that; and without an
answer nobody knows. None is ever called again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from asyncua import ua

from gateway.sdk import (
    Act,
    Argument,
    Called,
    CallFailedError,
    CallRefusedError,
    Device,
    DisconnectedError,
    Given,
    Signature,
    quality,
)
from gateway_opcua import nodeid, status
from gateway_opcua.ancestry import Ancestry
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.coding import convert
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.event import Event
from gateway_opcua.eventful import OpcuaMethod
from gateway_opcua.found import address_of
from gateway_opcua.inventory import builtin_type, value_at
from gateway_opcua.plain import plain
from gateway_opcua.references import binary as binary_of
from gateway_opcua.references import browse, from_binary
from gateway_opcua.session import Session
from gateway_opcua.wire import CodecError

_NOTHING_DONE: Final = {
    0x803C0000: "an argument is out of the server's range",
    0x80740000: "an argument is of another type than the server wants",
    0x80AB0000: "an argument is not one that the server takes",
    0x80760000: "arguments are missing",
    0x80E50000: "there are too many arguments",
    0x80750000: "the object has no such method: check object and method",
    0x80340000: "there is no such node: check object and method",
    0x80330000: "there is no such node: check object and method",
    0x81110000: "it may not be called now",
    0x800F0000: "the server does not have it",
    0x80400000: "the server does not have it",
    0x803D0000: "the server does not have it",
    0x801F0000: "this user may not call it",
    0x80E60000: "the server wants a more secure connection for it: check security",
    0x80AF0000: "the machine is in a state in which it does not do it",
    0x809A0000: "the server does not know this event any more: list conditions again",
    0x80CF0000: "it is acknowledged already",
    0x80D00000: "it is confirmed already",
    0x80990000: "it is disabled",
    0x80BB0000: "it cannot be acknowledged",
}
"""StatusCodes after which nothing was changed (Part 4 §5.11.2.4, Part 9 §5.7.3, §5.7.4)."""
_METHODS: Final = {Act.ACK: 9111, Act.CONFIRM: 9113, Act.COMMENT: 9029}
"""Acknowledge, Confirm and AddComment of the types; a server takes them at each condition (Part 9 §5.7.3)."""
_TAKES, _GIVES = "InputArguments", "OutputArguments"
_MOST: Final = 1000  # references of a method
_TEXT: Final = 1000  # characters with an acknowledgement


class Caller:
    """Calls in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._types = Ancestry(session)

    async def signature(self, device: Device, method: str) -> Signature:
        """As `gateway.sdk.Calls`."""
        takes, gives = await self._declared(self._node(_config(device, method).method))
        return Signature(_said(takes), _said(gives))

    async def call(self, device: Device, method: str, arguments: Mapping[str, Given]) -> Called:
        """As `gateway.sdk.Calls`."""
        config = _config(device, method)
        node = self._node(config.method)
        takes, gives = await self._declared(node)
        variants = await self._variants(takes, arguments)
        request = ua.CallMethodRequest(from_binary(self._node(config.object)), from_binary(node), variants)
        result = await self._once(request, config.within)
        names = [_name(one, at) for at, one in enumerate(gives)]
        output = [plain(one.Value) for one in result.OutputArguments or []]
        names += [str(at) for at in range(len(names), len(output))]
        return Called(_word(result), dict(zip(names, output, strict=False)))

    async def acknowledge(self, device: Device, event: Event, act: Act, words: str) -> Called:
        """Do it to the condition that `event` is the last of. Raises as `gateway.sdk.Acknowledges`."""
        given = [ua.Variant(event.event_id, ua.VariantType.ByteString), ua.Variant(ua.LocalizedText(words[:_TEXT]))]
        method = ua.NodeId(ua.Int32(_METHODS[act]))
        within = cast("OpcuaDevice", device.config).timeout
        result = await self._once(ua.CallMethodRequest(from_binary(event.node), method, given), within)
        return Called(_word(result))

    async def _once(self, request: ua.CallMethodRequest, within: float) -> ua.CallMethodResult:
        try:
            [result] = await self._session.call([request], within)
        except ServiceFaultError as fault:
            raise CallRefusedError(f"the server refuses the call ({status.name(fault.code)})") from fault
        except (TimeoutError, CodecError) as error:
            why = str(error) or f"no answer within {within:g} s"
            raise DisconnectedError(f"{self._session.url}: {why}") from error
        code = int(result.StatusCode.value)
        if code >= quality.BAD:
            text = f"{_NOTHING_DONE.get(code & 0xFFFF0000, 'the server says that it failed')} ({status.name(code)})"
            wrong = _wrong_arguments(result)
            refused = code & 0xFFFF0000 in _NOTHING_DONE
            raise (CallRefusedError if refused else CallFailedError)(text + wrong)
        return result

    # --- what it takes ---

    async def _declared(self, method: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What a method takes and gives: its properties (Part 3 §5.7)."""
        [below] = await browse(self._session, [method], _MOST)
        if below.status:
            raise CallRefusedError(f"the server has no such method ({status.name(below.status)})")
        found = {str(one.BrowseName.Name): binary_of(one.NodeId, self._session.namespaces) for one in below.references}
        wanted = [name for name in (_TAKES, _GIVES) if name in found]
        if not wanted:
            return [], []
        try:
            columns = await self._session.read(ReadPlan([found[name] for name in wanted]))
        except (TimeoutError, ServiceFaultError, CodecError) as error:
            raise CallRefusedError(f"the server does not say what the method takes: {error}") from error
        told = {name: value_at(columns, at) or [] for at, name in enumerate(wanted)}
        return _arguments(told.get(_TAKES)), _arguments(told.get(_GIVES))

    async def _variants(self, takes: Sequence[dict[str, Any]], given: Mapping[str, Given]) -> list[ua.Variant]:
        names = [_name(one, at) for at, one in enumerate(takes)]
        if missing := [name for name in names if name not in given]:
            raise CallRefusedError(f"{missing[0]} is missing; it takes {', '.join(names)}")
        if unknown := sorted(given.keys() - set(names)):
            raise CallRefusedError(f"'{unknown[0]}' is no argument; it takes {', '.join(names) or 'none'}")
        return [await self._variant(name, one, given[name]) for name, one in zip(names, takes, strict=True)]

    async def _variant(self, name: str, declared: Mapping[str, Any], value: Given) -> ua.Variant:
        rank, kind = int(declared.get("ValueRank", -1)), await self._built_in(str(declared.get("DataType")))
        if rank > 1:
            raise CallRefusedError(f"{name} is a matrix; it cannot be given")
        if (rank == 1) != isinstance(value, list):
            raise CallRefusedError(f"{name} is {'a list' if rank == 1 else 'a single value'}")
        try:
            if not isinstance(value, list):
                return convert(value, kind)
            return ua.Variant([convert(one, kind).Value for one in value], ua.VariantType(kind), is_array=True)
        except (ValueError, OverflowError) as error:
            raise CallRefusedError(f"{name}: {error}") from error

    async def _built_in(self, data_type: str) -> int:
        """The built-in type that values of a data type travel as."""
        if kind := builtin_type(data_type):
            return kind
        node = nodeid.parse(data_type).resolve(self._session.namespaces) or nodeid.NULL
        await self._types.learn(node)
        kinds = (builtin_type(address_of(one, self._session.namespaces)) for one in self._types.line(node))
        found = next((kind for kind in kinds if kind), 0)
        if not found:
            raise CallRefusedError(f"arguments of type {self._types.name(node)} cannot be given")
        return found

    def _node(self, text: str) -> bytes:
        node = nodeid.parse(text).resolve(self._session.namespaces)
        if node is None:
            raise CallRefusedError(f"{text}: the server has no such namespace")
        return node


def _config(device: Device, method: str) -> OpcuaMethod:
    return cast("OpcuaDevice", device.config).methods[method]


def _arguments(told: Any) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _name(declared: Mapping[str, Any], at: int) -> str:
    return str(declared.get("Name") or at)


def _said(declared: Sequence[Mapping[str, Any]]) -> list[Argument]:
    return [Argument(_name(one, at), _type(one), str(one.get("Description") or "")) for at, one in enumerate(declared)]


def _type(declared: Mapping[str, Any]) -> str:
    data_type = str(declared.get("DataType"))
    kind = builtin_type(data_type)
    return (ua.VariantType(kind).name if kind else data_type) + "[]" * (int(declared.get("ValueRank", -1)) >= 1)


def _word(result: ua.CallMethodResult) -> str:
    return status.name(int(result.StatusCode.value))


def _wrong_arguments(result: ua.CallMethodResult) -> str:
    wrong = [
        f"argument {at + 1}: {status.name(int(code.value))}"
        for at, code in enumerate(result.InputArgumentResults or [])
        if int(code.value) >= quality.BAD
    ]
    return "; " + ", ".join(wrong) if wrong else ""
