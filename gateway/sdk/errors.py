"""The errors that steer the gateway. The type is the instruction.

- `ConfigError`: the configuration is wrong; the gateway does not start (exit 78).
- `DisconnectedError`: the device or the line is away; the runner backs off and tries again.
- anything else out of an adapter: a bug of that one device; it is degraded and named, all others go on.
"""


class FieldgateError(Exception):
    """Root of the errors that Fieldgate raises on purpose."""


class ConfigError(FieldgateError):
    """The configuration asks for something impossible. The message names the place and the remedy."""


class DisconnectedError(FieldgateError):
    """The other side is away: refused, silent, closed, or speaking rubbish. Trying again later is right."""


def denied(error: Exception) -> str:
    """What helps where a key or a certificate may not be read; "" against anything else. Appended to a message."""
    if not isinstance(error, PermissionError):
        return ""
    return "; the gateway's user may not read it: hand it over with LoadCredential= (docs/operations.md, Private keys)"
