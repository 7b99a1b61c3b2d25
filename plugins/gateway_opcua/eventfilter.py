"""What the server is asked to tell of each event, and of which events (EventFilter, Part 4 §7.22.3). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from asyncua import ua

from gateway_opcua import browsepath, nodeid
from gateway_opcua.eventful import OpcuaEvents
from gateway_opcua.nodeid import NULL
from gateway_opcua.references import from_binary

# Types of Part 5 §6.4, Part 9 §5.5.2, §5.7.2, §5.8.2 and §5.8.19 that define fields, by their node ids.
EVENT, CONDITION, ACKNOWLEDGEABLE, ALARM, LIMIT = 2041, 2782, 2881, 2915, 9341
REFRESH_START, REFRESH_END, REFRESH_REQUIRED, OVERFLOW = 2787, 2788, 2789, 3035
SIGNALS: Final = (REFRESH_START, REFRESH_END, REFRESH_REQUIRED, OVERFLOW)
"""Types of events that are for us, and are no news of the machine."""
CONDITION_ID: Final = "ConditionId"  # the condition itself, an attribute and no field (Part 9 §5.5.2.13)
_NODE_ID, _VALUE = 1, 13  # attributes

_BASE: Final = tuple(
    (EVENT, name)
    for name in ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity")
)
_STATES: Final = (
    (CONDITION, CONDITION_ID), (CONDITION, "ConditionName"), (CONDITION, "BranchId"), (CONDITION, "Retain"),
    (CONDITION, "EnabledState/Id"), (CONDITION, "Comment"), (CONDITION, "ClientUserId"),
    (ACKNOWLEDGEABLE, "AckedState/Id"), (ACKNOWLEDGEABLE, "ConfirmedState/Id"),
    (ALARM, "ActiveState/Id"), (ALARM, "SuppressedOrShelved"), (LIMIT, "LimitState/CurrentState"),
)  # fmt: skip


class Step(IntEnum):
    """How much a server is asked for; less, each time that it refuses."""

    WHOLE = 0
    UNFILTERED = 1  # every event comes, and is judged here
    BASE = 2  # likewise, and only the fields that every event has


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter, and the names of the fields in the order in which they come; own fields begin at `own`."""

    filter: ua.EventFilter
    names: tuple[str, ...]
    own: int


def ask(events: OpcuaEvents, namespaces: Sequence[str], step: Step) -> Asked:
    """The filter for `events` in a server with these `namespaces`; fields of a namespace that it lacks are left out."""
    usual = _BASE if step is Step.BASE else (*_BASE, *_STATES)
    clauses = [_clause(ua.NodeId(ua.Int32(kind)), [(0, part) for part in name.split("/")]) for kind, name in usual]
    own = [] if step is Step.BASE else _own(events, namespaces)
    where = _where(events, namespaces) if step is Step.WHOLE else ua.ContentFilter()
    names = (*(name for _, name in usual), *(name for name, _ in own))
    return Asked(ua.EventFilter([*clauses, *(clause for _, clause in own)], where), names, len(usual))


def _own(events: OpcuaEvents, namespaces: Sequence[str]) -> list[tuple[str, ua.SimpleAttributeOperand]]:
    kind = _node(events.types[0], namespaces) if events.types else ua.NodeId(ua.Int32(EVENT))
    paths = [(text, browsepath.parse(f"/{text}").resolve(namespaces)) for text in events.fields]
    return [(text, _clause(kind, path)) for text, path in paths if path is not None]


def _clause(kind: ua.NodeId, path: Sequence[tuple[int, str]]) -> ua.SimpleAttributeOperand:
    if path == [(0, CONDITION_ID)]:
        return ua.SimpleAttributeOperand(TypeDefinitionId=kind, AttributeId=ua.UInt32(_NODE_ID))
    names = [ua.QualifiedName(name, ua.UInt16(index)) for index, name in path]
    return ua.SimpleAttributeOperand(TypeDefinitionId=kind, BrowsePath=names, AttributeId=ua.UInt32(_VALUE))


def _node(text: str, namespaces: Sequence[str]) -> ua.NodeId:
    return from_binary(nodeid.parse(text).resolve(namespaces) or NULL)


# -- which events ----------------------------------------------------------------------------------------------------


def _where(events: OpcuaEvents, namespaces: Sequence[str]) -> ua.ContentFilter:
    """Of these types and this urgent, or a signal: a tree whose operands name elements by number (§7.7.4.2).

    Conditions come whatever their severity: it may fall as they end, and the end must be heard.
    """
    tests: list[Any] = []
    if events.types:
        tests.append(_any([_of_type(_node(text, namespaces)) for text in events.types]))
    if events.severity:
        least = ua.LiteralOperand(ua.Variant(events.severity, ua.VariantType.UInt16))
        urgency = _clause(ua.NodeId(ua.Int32(EVENT)), [(0, "Severity")])
        urgent = (ua.FilterOperator.GreaterThanOrEqual, [urgency, least])
        tests.append(_any([urgent, _of_type(ua.NodeId(ua.Int32(CONDITION)))]))
    if not tests:
        return ua.ContentFilter()
    wanted = tests[0] if len(tests) == 1 else (ua.FilterOperator.And, tests)
    return ua.ContentFilter(_flat(_any([wanted, *(_of_type(ua.NodeId(ua.Int32(kind))) for kind in SIGNALS)])))


def _of_type(kind: ua.NodeId) -> Any:
    return ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(kind, ua.VariantType.NodeId))]


def _any(tests: list[Any]) -> Any:
    """Or takes two operands, so several make a chain."""
    return tests[0] if len(tests) == 1 else (ua.FilterOperator.Or, [tests[0], _any(tests[1:])])


def _flat(tree: Any) -> list[ua.ContentFilterElement]:
    """The elements, the whole first; an operand that is an element comes behind the element that names it."""
    elements: list[ua.ContentFilterElement] = []

    def put(test: Any) -> int:
        operator, operands = test
        element = ua.ContentFilterElement(FilterOperator=operator)
        elements.append(element)
        number = len(elements) - 1
        element.FilterOperands = [
            ua.ElementOperand(ua.UInt32(put(operand))) if isinstance(operand, tuple) else operand
            for operand in operands
        ]
        return number

    put(tree)
    return elements


def refused_fields(result: Any, names: Sequence[str]) -> list[str]:
    """The fields that the server says it does not have, by its answer to a filter (EventFilterResult)."""
    codes = getattr(result, "SelectClauseResults", None) or []
    return [name for name, code in zip(names, codes, strict=False) if int(code.value) >> 31]
