"""What a person may write of the web console: the section `console`."""

import ipaddress
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.config.broker import AsPath
from gateway.sdk.config import Duration, Size, Table


def _a_host(text: str) -> str:
    if not text or any(sign in text for sign in "/@ ") or "://" in text:
        raise ValueError(f"{text!r} is no host name; write it as in the address, without scheme and port")
    return text.lower()


HostName = Annotated[str, AfterValidator(_a_host)]
"""A name as it stands in an address, without scheme and port."""


class ConsoleConfig(Table):
    """The web console and its JSON API. Off unless `listen` is set."""

    listen: str | None = Field(default=None, pattern=r"^([^\s:]+|\[[0-9a-fA-F:]+\]):\d+$")
    """host:port, such as 127.0.0.1:8480; beyond this machine it needs `cert` and `key`; unset, nothing listens."""
    cert: AsPath | None = None
    """PEM file with the certificate that browsers are shown, and its chain; read anew when it changes."""
    key: AsPath | None = None
    """PEM file with the private key of `cert`."""
    hosts: list[HostName] = Field(default_factory=list, max_length=32)
    """Names under which browsers reach the console, beside its addresses and the machine's own name."""
    session: Duration = Field(default=12 * 3600.0, le=7 * 86400)
    """Longest time that one login lasts."""
    idle: Duration = Field(default=1800.0, le=7 * 86400)
    """Time without any request after which a login ends; an open page that only shows is one for viewers, else none."""
    viewers: int = Field(default=64, ge=1, le=1000)
    """Pages that may be open at once; what goes beyond is told to come later."""
    past: Size = Field(default=16 * 2**20, ge=2**16)
    """Memory for the recent past of tags and scores, one sample a second."""
    audit: int = Field(default=100_000, ge=1000, le=10_000_000)
    """Records that the console's audit keeps; beyond it the oldest go, and a record says so."""

    @model_validator(mode="after")
    def _safe_beyond_the_machine(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together; one of them is missing")
        if self.listen and self.cert is None and not _own(self.listen.rpartition(":")[0]):
            raise ValueError(
                f"listen: {self.listen} is reached from other machines, so that passwords would cross the network in "
                "plain text; set cert and key, or listen on 127.0.0.1"
            )
        return self


def _own(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
