"""How long the certificates of the connections last: as figures, and as events at 60, 30, 7 and 1 days and at the end.

Each step is told once for each certificate, over restarts too. Nothing is told by a clock that is not trusted, nor by
one that was set between two looks before it has run for one more; what a clock that was ahead has told is told again in
its time.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.ops.files import give
from gateway.ops.metrics import Sample
from gateway.sdk.adapter import Adapter
from gateway.sdk.certificates import Certificate, Certified
from gateway.sdk.clock import Clock
from gateway.sdk.tags import Connection

STEPS: Final = (0, 1, 7, 30, 60)  # days before the end
_EVERY: Final = 30.0  # s between two looks
_STEADY: Final = 2.0  # s by which wall and monotonic clock may part between two looks
_REMEMBERED: Final = 1000  # certificates
_DAY: Final = 86400.0
_REMEDY: Final = {
    "own": "accept its successor on the servers (fieldgate certs list shows it), or put a new one in its place",
    "user": "have a new one issued for this user",
    "server": "give the server a new one, and trust it here: fieldgate certs trust",
}


@dataclass(frozen=True, slots=True)
class InUse:
    """A certificate that a connection uses."""

    connection: str
    name: str  # of the adapter for our own, else of the connection's first device
    certificate: Certificate


def step(days: float) -> int | None:
    """The smallest step that is reached with `days` left; None while there is time."""
    return next((one for one in STEPS if days <= one), None)


class CertificateWatch:
    """Looks at the certificates in use.

    Args:
        clock: of the gateway.
        state: its state folder.
        log: its log.
        tell: an event for the plant: name, kind, text.
        doubt: gives why the clock is not to be trusted now; empty: it is.
    """

    def __init__(
        self, clock: Clock, state: Path, log: Any, tell: Callable[[str, str, str], None],
        doubt: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._adapters: list[tuple[Connection, Certified]] = []
        self._clock, self._file, self._log, self._tell = clock, state / "certificates.json", log, tell
        self._offset: float | None = None
        self._doubt = doubt
        self._told: dict[str, int] = {}  # fingerprint → smallest step that was told

    def watch(self, adapters: Sequence[Adapter]) -> None:
        """From now on those of these adapters."""
        self._adapters = [(one.connection, one) for one in adapters if isinstance(one, Certified)]

    async def run(self) -> None:
        """Look, for ever."""
        self._told = await asyncio.to_thread(_read, self._file)
        while True:
            if self.look():
                await self._remember()
            await self._clock.sleep_until(self._clock.monotonic() + _EVERY)

    async def _remember(self) -> None:
        """Without a disk it is remembered as long as the gateway runs."""
        try:
            await asyncio.to_thread(_write, self._file, dict(self._told))
        except OSError as error:
            self._log.warning("certificates told of are not remembered", error=str(error))

    def look(self) -> bool:
        """Tell what is to be told. Whether what must be remembered has changed."""
        offset = self._clock.wall_ns() / 1e9 - self._clock.monotonic()
        before, self._offset = self._offset, offset
        if before is None or abs(offset - before) > _STEADY or self._doubt():
            return False
        told = [self._judge(one) for one in self._in_use()]
        return any(told)

    def _judge(self, one: InUse) -> bool:
        fingerprint, days = one.certificate.fingerprint, self._days(one.certificate)
        reached, told = step(days), self._told.get(fingerprint)
        if reached == told or (told is not None and told < days <= told + 1):  # NTP may lead back over a step
            return False
        self._told.pop(fingerprint, None)
        if reached is None:
            return True
        self._told[fingerprint] = reached  # the latest last
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        text, labels = _sentence(one.certificate, days), {"connection": one.connection, "role": one.certificate.role}
        self._log.warning("certificate expires" if days > 0 else "certificate expired", text=text, **labels)
        self._tell(one.name, "certificate expires" if days > 0 else "certificate expired", text)
        return True

    # --- for those who look ---

    def document(self) -> list[dict[str, Any]]:
        """Each certificate in use."""
        return [
            {
                "connection": one.connection, "role": one.certificate.role, "subject": one.certificate.subject,
                "fingerprint": one.certificate.fingerprint, "expires": one.certificate.expires.isoformat(),
                "days": round(self._days(one.certificate), 2), "place": one.certificate.place,
            }
            for one in self._in_use()
        ]  # fmt: skip

    def samples(self) -> Iterator[Sample]:
        """Days left."""
        for one in self._in_use():
            labels = {"connection": one.connection, "role": one.certificate.role}
            yield Sample("certificate_days", self._days(one.certificate), labels)

    def _days(self, certificate: Certificate) -> float:
        return certificate.expires.timestamp() / _DAY - self._clock.wall_ns() / 1e9 / _DAY

    def _in_use(self) -> Iterator[InUse]:
        for connection, adapter in self._adapters:
            first = connection.devices[0]
            for certificate in adapter.certificates():
                name = first.config.adapter if certificate.role == "own" else first.name
                yield InUse(connection.name, name, certificate)


def _sentence(certificate: Certificate, days: float) -> str:
    left = f"expires in {days:.0f} days" if days > 1 else "expires within a day" if days > 0 else "has expired"
    whose = {"own": "the gateway's own certificate", "user": "the user's certificate"}.get(
        certificate.role, "the server's certificate"
    )
    day = certificate.expires.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")
    return f"{whose} {certificate.subject} {left}, on {day} UTC: {_REMEDY.get(certificate.role, _REMEDY['server'])}"


def _read(path: Path) -> dict[str, int]:
    """What was told before; a file that is not there or not ours is the same as none: it is told once more."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    good = isinstance(found, Mapping) and all(isinstance(one, int) for one in found.values())
    return dict(found) if good else {}


def _write(path: Path, told: Mapping[str, int]) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(orjson.dumps(told))
    give(draft, path.parent)
    draft.replace(path)
