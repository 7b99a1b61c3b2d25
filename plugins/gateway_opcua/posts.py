"""Where events are listened to: one monitored item each, asked for less where the server refuses (Part 4 §5.12.2).

A post that is refused for another reason than its filter is tried again after a wait that grows; the others go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from asyncua import ua

from gateway.sdk import Device, quality
from gateway_opcua import nodeid, status
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.eventfilter import Asked, Step, ask, refused_fields
from gateway_opcua.eventful import OpcuaEvents
from gateway_opcua.references import from_binary
from gateway_opcua.session import Session
from gateway_opcua.site import Site

_EVENT_NOTIFIER: Final = 12  # attribute
_QUEUE: Final = 10_000  # events that the server keeps between two messages, if it is so kind
_MAX_WAIT: Final = 600.0  # s between two attempts
_CODE: Final = 0xFFFF0000
_REFUSED_FILTER: Final = frozenset(
    {
        0x80430000,  # BadMonitoredItemFilterInvalid
        0x80440000,  # BadMonitoredItemFilterUnsupported
        0x80450000,  # BadFilterNotAllowed
        0x80470000,  # BadEventFilterInvalid
        0x80480000,  # BadContentFilterInvalid
        0x80490000,  # BadFilterOperandInvalid
        0x80C10000,  # BadFilterOperatorInvalid
        0x80C20000,  # BadFilterOperatorUnsupported
        0x80C30000,  # BadFilterOperandCountMismatch
        0x80C40000,  # BadFilterElementInvalid
        0x80C50000,  # BadFilterLiteralInvalid
    }
)
_REMEDY: Final = "look at node: it must be an object that tells events, as the Server object (i=2253) is"


@dataclass(slots=True)
class Post:
    """One entry of `events`, and how far it is. What is asked for outlives the session.

    Attributes:
        device: whose entry it is.
        events: the entry.
        asked: the filter that the server took; None as long as none is.
        types: binary ids of the types that are passed on; empty for all.
        step: how much is asked for.
        due: when it is tried next, monotonic; inf while the server watches.
        wait: the wait behind it; it only grows.
    """

    device: Device
    events: OpcuaEvents
    asked: Asked | None = None
    types: frozenset[bytes] = frozenset()
    step: Step = Step.WHOLE
    due: float = 0.0
    wait: float = 0.0

    @property
    def retry(self) -> float:
        """The first wait, s."""
        return cast("OpcuaDevice", self.device.config).retry


def posts(devices: Sequence[Device]) -> list[Post]:
    """All of `devices`; the place of each is the ClientHandle of its item."""
    return [Post(device, one) for device in devices for one in cast("OpcuaDevice", device.config).events]


async def create_due(session: Session, site: Site, subscription: int, posts: Sequence[Post]) -> int:
    """Have the server watch for those posts whose time has come. How many it does now. Raises DisconnectedError."""
    created, now = 0, site.host.clock.monotonic()
    for handle, post in enumerate(posts):
        while post.due <= now:
            created += await _create(session, site, subscription, handle, post)
    return created


async def _create(session: Session, site: Site, subscription: int, handle: int, post: Post) -> bool:
    """One attempt; afterwards the post is not due any more, unless less is to be asked for at once."""
    node = nodeid.parse(post.events.node).resolve(session.namespaces)
    if node is None:
        _postpone(site, post, status.BAD_NO_MATCH)
        return False
    asked = ask(post.events, session.namespaces, post.step)
    code, told = await _ask(session, subscription, _item(handle, node, asked))
    if code < quality.BAD:
        post.asked, post.due, post.wait = asked, float("inf"), 0.0
        post.types = _types(post.events, session.namespaces)
        _tell_lacking(site, post, refused_fields(told, asked.names)[:20], asked)
    elif code & _CODE in _REFUSED_FILTER and post.step < Step.BASE:
        post.step = Step(post.step + 1)
        site.counters["event_filters_refused_total"] += 1
        site.host.log.warning(
            "the server does not filter events as asked: asked for less",
            device=post.device.name, node=post.events.node, why=status.name(code), left=post.step.name.lower(),
        )  # fmt: skip
    else:
        _postpone(site, post, code)
    return code < quality.BAD


async def _ask(session: Session, subscription: int, item: ua.MonitoredItemCreateRequest) -> tuple[int, object]:
    """The server's StatusCode, and what it says to the filter."""
    try:
        results = await session.create_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription, TimestampsToReturn=ua.TimestampsToReturn.Neither, ItemsToCreate=[item]
            )
        )
    except ServiceFaultError as fault:
        return fault.code, None
    return int(results[0].StatusCode.value), results[0].FilterResult


def _item(handle: int, node: bytes, asked: Asked) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=from_binary(node), AttributeId=ua.UInt32(_EVENT_NOTIFIER)),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle, SamplingInterval=0.0, QueueSize=_QUEUE, DiscardOldest=True, Filter=asked.filter
        ),
    )


def _types(events: OpcuaEvents, namespaces: Sequence[str]) -> frozenset[bytes]:
    found = (nodeid.parse(text).resolve(namespaces) for text in events.types)
    return frozenset(kind or nodeid.NULL for kind in found)


def _postpone(site: Site, post: Post, code: int) -> None:
    first, post.wait = not post.wait, min(max(2 * post.wait, post.retry), _MAX_WAIT)
    post.due = site.host.clock.monotonic() + post.wait
    site.counters["event_posts_refused_total"] += 1
    if first:
        site.host.log.warning(
            "no events", device=post.device.name, node=post.events.node, why=status.name(code), remedy=_REMEDY
        )


def _tell_lacking(site: Site, post: Post, refused: Sequence[str], asked: Asked) -> None:
    """Of the usual fields many servers lack some; a field that somebody asked for by name is another matter."""
    own = asked.names[asked.own :]
    missing = [name for name in post.events.fields if name in refused or name not in own]
    if missing and post.step is not Step.BASE:
        site.host.log.warning(
            "the server has no such event fields: they are left out",
            device=post.device.name, fields=missing, remedy="look at fields, and at the first of types, which has them",
        )  # fmt: skip
