"""Every act stands in the console's audit twice: that it was asked for, before it is done, and what came of it.

A chain of its own (state/audit.py), apart from that of writes, so that no page stands between a write and its record.
What cannot be put down is not done.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.console.rights import Refused, Who
from gateway.deliver.event import rfc3339
from gateway.operators.audit import Audit
from gateway.sdk.clock import Clock
from gateway.state.audit import AuditError

FILE: Final = "console-audit.db"
_T = TypeVar("_T")


class Acts:
    """Does acts, each between its records. On the console's loop."""

    def __init__(self, state: Path, most: int, clock: Clock) -> None:
        self._audit, self._clock = Audit(state / FILE, most), clock

    async def open(self) -> None:
        """Open the file. One that cannot be opened lets nothing be done, and says why at each act."""
        await self._audit.open(0)

    async def close(self) -> None:
        """Keep what waits, and close."""
        await self._audit.close()

    async def do(self, who: Who, address: str, asked: Mapping[str, Any], act: Callable[[], Awaitable[_T]]) -> _T:
        """Do `act`, which `who` asks for from `address`.

        Args:
            who: asks.
            address: of the machine that the request came from.
            asked: `action`, `text`, and what else a reader needs to know of it; no secrets.
            act: does it; raises Refused where it does not.

        Raises:
            Refused: it was not done; 503 where it could not be put down.
        """
        head = {"id": secrets.token_hex(16), "via": "console", "by": who.by, "role": str(who.role), "from": address}
        head |= dict(asked)
        await self._keep("intent", head)
        came = {"result": "unknown", "text": "it was cut short"}
        try:
            done = await act()
            came = {"result": "done"}
        except Refused as error:
            came = {"result": "refused", "reason": error.reason, "text": str(error)}
            raise
        finally:
            with suppress(Refused):  # it was done, or not: the intent stands, and the next act is refused
                await self._keep("outcome", head | came)
        return done

    async def note(self, who: str, address: str, action: str, text: str) -> None:
        """Put down what is no act of a user's: a login that was wrong. It goes on without a record, too."""
        with suppress(Refused):
            await self._keep("login", {"via": "console", "by": who, "from": address, "action": action, "text": text})

    async def outside(self, action: str, text: str) -> None:
        """Put down what `fieldgate console` has changed beside this process. It has been done, with a record or not."""
        with suppress(Refused):
            await self._keep("outside", {"via": "cli", "by": "fieldgate console", "action": action, "text": text})

    async def _keep(self, kind: str, content: Mapping[str, Any]) -> None:
        try:
            await self._audit.append({"kind": kind, "time": rfc3339(self._clock.wall_ns()), **content})
        except AuditError as error:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "audit", f"it cannot be put into the audit: {error}"
            ) from error
