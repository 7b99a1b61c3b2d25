"""Which configuration runs: its number, since when, and whether the files on disk say something else by now."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.config.files import FOLDER, TEMPLATES
from gateway.config.load import Configuration
from gateway.config.shelf import digest, signature
from gateway.ops.metrics import Sample
from gateway.state.configurations import Configurations

_SHORT: Final = 12  # digits of the digest that tell one from another in a label
EVERY: Final = 40  # looks between two at the disk: 10 s at the pace of gateway.changes


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of it.

    Attributes:
        number: in `fieldgate history`; 0 where it could not be kept.
        digest: of its files, SHA-256; see gateway.config.shelf.
        since: when it took over, Unix s; 0.0 where that is not known.
        differs: whether the files on disk say something else.
    """

    number: int
    digest: str
    since: float
    differs: bool


class Edition:
    """What runs now. Looked after on the loop, read from any thread.

    Attributes:
        now: None before the first look, and where configurations cannot be changed.
    """

    def __init__(self) -> None:
        self.now: Told | None = None
        self._of: Configuration | None = None
        self._looks = 0
        self._signature: object = None

    async def look(self, configuration: Configuration, kept: Configurations) -> None:
        """Once in a while, and at once when another one runs."""
        self._looks += 1
        if configuration is self._of and self._looks % EVERY:
            return
        self.now = await asyncio.to_thread(self._look, configuration, kept)
        self._of = configuration

    def samples(self) -> Iterable[Sample]:
        """For Prometheus."""
        if (now := self.now) is None:
            return
        yield Sample("configuration_info", 1, {"number": str(now.number), "digest": now.digest[:_SHORT]})
        yield Sample("configuration_since_seconds", now.since)
        yield Sample("configuration_differs", float(now.differs))

    def document(self) -> dict[str, Any] | None:
        """For JSON."""
        return asdict(self.now) if self.now else None

    def _look(self, configuration: Configuration, kept: Configurations) -> Told:
        stamps = signature(configuration.files, (FOLDER, TEMPLATES))
        if self.now is not None and configuration is self._of and stamps == self._signature:
            return self.now
        self._signature = stamps
        found = digest(configuration.content)
        records = [one for one in kept.records() if one.digest == found]
        number, since = (records[-1].number, records[-1].applied) if records else (0, 0.0)
        return Told(number, found, since, differs(configuration.files[0].parent, configuration.content))


def differs(home: Path, content: Mapping[str, bytes]) -> bool:
    """Whether the files below `home` say something else than `content`: changed, gone, or a device more. Blocks."""
    devices = {f"{FOLDER}/{path.name}" for path in (home / FOLDER).glob("[!.]*.yaml")}
    return not devices <= content.keys() or any(_read(home / name) != raw for name, raw in content.items())


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
