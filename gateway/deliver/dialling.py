"""Where the next attempt to connect goes, and when: addresses in turn, back-off with jitter, renewed certificates."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.config.broker import MqttConfig
from gateway.deliver.tls import tls_context

_FIRST_WAIT: Final = 1.0  # s; doubled at each round of attempts, then jittered over the whole
_STEADY: Final = 10.0  # s; a connection that lasted so long is no flapping: back-off begins anew
_MOST: Final = 30  # doublings

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file that TLS reads: inode, size and ns of its last change; None where it is not there."""


class Dialling:
    """The addresses of one broker.

    Args:
        config: the broker; its `url` is tried first, then each of `backup`.
        jitter: gives a number in [0, 1).

    Raises:
        ConfigError: a certificate cannot be used.
    """

    def __init__(self, config: MqttConfig, jitter: Callable[[], float]) -> None:
        self._configs = [config.model_copy(update={"url": url}) for url in (config.url, *config.backup)]
        self._longest, self._jitter = config.reconnect_max, jitter
        self._at = 0  # which address
        self._attempt = 0
        self._at_once = False
        self._stamp = self._seen = _stamp(config)  # of the connection, and as it was found last
        if self._secure:
            tls_context(config)

    @property
    def config(self) -> MqttConfig:
        """The broker, with the address that the next attempt goes to."""
        return self._configs[self._at]

    def begins(self) -> None:
        """An attempt begins; it reads the certificates as they are now."""
        self._stamp = self._seen = _stamp(self.config)

    def failed(self) -> None:
        """Nobody answered there: the next address."""
        self._at = (self._at + 1) % len(self._configs)
        self._attempt += 1

    def lost(self, lasted: float) -> None:
        """A connection was lost that lasted so many seconds: the same address first."""
        self._attempt = 1 if lasted > _STEADY else self._attempt + 1

    def again(self) -> None:
        """The connection is given up to be made anew: no wait."""
        self._at_once = True

    def pause(self) -> float:
        """Seconds before the next attempt: full jitter, doubled each time that all addresses have failed."""
        at_once, self._at_once = self._at_once, False
        return 0.0 if at_once else self.wait((self._attempt - 1) // len(self._configs))

    def wait(self, tries: int) -> float:
        """Seconds before the next try, when `tries` were made before."""
        return self._jitter() * min(self._longest, _FIRST_WAIT * 2.0 ** max(0, min(tries, _MOST)))

    def renewed(self) -> bool:
        """Whether certificates have changed on disk since the connection was made, and can be used; told once a change.

        Raises:
            ConfigError: they have changed, and cannot be used: the connection that is there goes on.
        """
        if not self._secure:
            return False
        stamp = _stamp(self.config)
        if stamp == self._seen:
            return False
        self._seen = stamp
        tls_context(self.config)
        return stamp != self._stamp

    @property
    def _secure(self) -> bool:
        return self.config.url.startswith("mqtts:")


def _stamp(config: MqttConfig) -> Stamp:
    return tuple(_of(path) for path in (config.ca, config.cert, config.key) if path is not None)


def _of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
