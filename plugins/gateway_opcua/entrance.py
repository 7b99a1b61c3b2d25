"""The way to a session: which server is dialled, whether the session of before is taken up, and when not to ask.

A server without a free session is asked ever more seldom, so that no attempt takes a place that others wait for. Where
there are others that know the same nodes, all are tried in turn.
"""

from collections import Counter, deque
from typing import Final, Never

from gateway.sdk import DisconnectedError, Host
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.homeward import until_well
from gateway_opcua.session import Session

_FIRST, _LONGEST = 5.0, 60.0  # s; a session that somebody left behind is free after a minute on most servers
_GROWTH: Final = 2.0


class Entrance:
    """Opens the sessions of one adapter, one after the other."""

    def __init__(self, config: OpcuaDevice, host: Host, counters: Counter[str]) -> None:
        self._host, self._counters = host, counters
        self._servers = deque(config.model_copy(update={"connect": url}) for url in config.servers)
        self._config = config
        self._lost: Session | None = None
        self._wait, self._due, self._why = 0.0, float("-inf"), ""

    async def open(self) -> Session:
        """A session with the server whose turn it is. Raises DisconnectedError."""
        if self._host.clock.monotonic() < self._due:
            raise DisconnectedError(self._why)
        session, self._lost = self._lost or Session(self._servers[0], self._host), None
        before = session.attempts
        try:
            await session.open()
        except DisconnectedError as error:
            self._refused(session, str(error))
            raise
        finally:
            self._counters["session_attempts_total"] += session.attempts - before
        self._wait = 0.0
        self._counters["sessions_resumed_total" if session.resumed else "sessions_total"] += 1
        return session

    async def way_back(self, session: Session) -> Never:
        """Raises DisconnectedError when the first server is well again, which is then the next to be tried."""
        await until_well(session, self._config, self._host)
        while self._servers[0].connect != self._config.connect:
            self._servers.rotate(-1)
        raise DisconnectedError(f"{session.url}: back to {self._config.connect}, which is well again")

    def left(self, session: Session) -> bool:
        """Take note of a session that was closed; whether it may be taken up, with its subscriptions."""
        self._lost = session if session.resumable else None
        return session.resumable

    def _refused(self, session: Session, why: str) -> None:
        if len(self._servers) > 1:
            self._servers.rotate(-1)
            self._counters["servers_changed_total"] += 1
        elif session.crowded:
            self._wait = min(max(_FIRST, _GROWTH * self._wait), _LONGEST)
            self._due, self._why = self._host.clock.monotonic() + self._wait, why
        else:
            self.left(session)
