"""Fieldgate adapter `sine`: a device that answers `GET name` with one line, the value. An example for authors."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar, cast
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field, field_validator

from gateway.sdk import (
    Batch,
    Connection,
    DeviceConfig,
    DisconnectedError,
    Duration,
    Group,
    Host,
    Name,
    PolledAdapter,
    TagConfig,
    quality,
)


class SineTag(TagConfig):
    """One value of the device."""

    at: str = Field(default="", pattern=r"^[!-~]*$")
    """Its name on the device; the tag's own unless set."""

    def describe(self) -> str:
        """What `fieldgate check --verbose` shows of it."""
        return f"GET {self.at}" if self.at else "GET by its own name"


class SineDevice(DeviceConfig):
    """A device that answers `GET name` over TCP."""

    connect: str
    """Where it answers: tcp://host:port."""
    timeout: Duration = 1.0
    """How long it may take to be connected to, and to answer one scan."""
    tags: Mapping[Name, SineTag] = Field(min_length=1)
    """The tags, by name."""

    @field_validator("connect")
    @classmethod
    def _address(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme != "tcp" or not url.hostname or not url.port:
            raise ValueError(f"{value!r}: write tcp://host:port")
        return value


class SineAdapter(PolledAdapter):
    """Asks for a whole scan group with one write, then takes one line a tag."""

    Config: ClassVar[type[DeviceConfig]] = SineDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        """Prepare what is sent for each group; nothing is opened here."""
        super().__init__(connection, host)
        self._config = cast("SineDevice", connection.devices[0].config)  # one device a connection: the sdk's default
        self._requests = {group.id: _request(group) for group in connection.groups}
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> None:
        """Open the socket. Raises DisconnectedError."""
        url = urlsplit(self._config.connect)
        try:
            async with asyncio.timeout(self._config.timeout):
                self._stream = await asyncio.open_connection(url.hostname, url.port)
        except OSError as error:  # TimeoutError is one
            raise DisconnectedError(f"{url.netloc}: {str(error) or 'no connection in time'}") from error

    async def read(self, group: Group) -> Batch:
        """One scan. Late or broken answers end the connection: after them, nobody knows which answer is whose."""
        if self._stream is None:
            raise DisconnectedError("not connected")
        reader, writer = self._stream
        try:
            async with asyncio.timeout(self._config.timeout):
                writer.write(self._requests[group.id])
                answers = [await reader.readuntil() for _ in group.tags]
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise DisconnectedError(f"{self._config.connect}: {str(error) or 'no answer in time'}") from error
        value = np.array([_number(answer) for answer in answers])
        status = np.where(np.isnan(value), quality.BAD_NO_DATA, quality.GOOD).astype(np.uint32)
        return Batch.of(group, value, self.host.clock.wall_ns(), status=status)

    async def close(self) -> None:
        """Drop the connection, if there is one: what is still on its way is of no use."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream[1].transport.abort()


def _request(group: Group) -> bytes:
    names = (cast("SineTag", tag.config).at or tag.name for tag in group.tags)
    return b"".join(f"GET {name}\n".encode() for name in names)


def _number(answer: bytes) -> float:
    """The value of one line; NaN for what is no finite number, such as the device's `ERR`."""
    try:
        value = float(answer)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan
