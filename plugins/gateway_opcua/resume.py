"""Taking up subscriptions where a connection broke off: what the server kept for us is fetched, nothing is made anew.

Part 4 §6.7: the session is activated on the new connection, or its subscriptions are transferred to a new one; messages
that were sent and never arrived are still in the server's retransmission queue.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Final

from gateway.sdk import quality
from gateway_opcua.codec import PublishDecoder, Published, ServiceFaultError
from gateway_opcua.session import Session
from gateway_opcua.subscriptions import Subscription
from gateway_opcua.wire import CodecError

_MOST: Final = 1000  # messages of one subscription that are asked for again


async def transfer(session: Session, standing: Mapping[int, Subscription]) -> bool:
    """Whether all of the `standing` subscriptions are ours in this session. Raises DisconnectedError."""
    if not standing:
        return False
    if session.resumed:
        return True
    if not session.known:
        return False
    try:
        codes = await session.transfer_subscriptions(list(standing))
    except ServiceFaultError:
        return False
    alive = [number for number, code in zip(standing, codes, strict=True) if code < quality.BAD]
    if len(alive) == len(standing):
        return True
    if alive:
        await session.delete_subscriptions(alive)
    return False


async def republish(
    session: Session, subscription: Subscription, numbers: range | None = None
) -> AsyncGenerator[Published, None]:
    """The messages with these numbers, or all from the one that is due; ends at the first that is not there any more.

    Raises DisconnectedError.
    """
    decoder = PublishDecoder()
    for number in numbers or range(subscription.expected, subscription.expected + _MOST):
        try:
            body = await session.republish(subscription.id, number)
            message = decoder.message(body, subscription.id)
        except (ServiceFaultError, CodecError):
            return
        if message.sequence != number:  # some servers give an empty message instead of a refusal
            return
        yield message
