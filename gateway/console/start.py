"""Where the daemon begins and ends the console. Without `console.listen` nothing of it is imported."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.config.console import ConsoleConfig
from gateway.console.host import Host
from gateway.ops.health import State
from gateway.ops.metrics import Metrics
from gateway.ops.safepage import Shown, forget
from gateway.sdk.errors import FieldgateError

if TYPE_CHECKING:
    from gateway.console.server import Console


@contextmanager
def serving(host: Host, config: ConsoleConfig, metrics: Metrics) -> Iterator[None]:
    """Serve `host` while it runs, if it is to. On the host's loop, before it runs.

    What keeps the console from beginning, such as an address that is taken, is told and does not keep the gateway.
    """
    console = _begun(host, config) if config.listen else None
    if not config.listen:
        forget(host.state)
    if console is None:
        yield
        return
    _shown(host, config, console.url).leave(host.state)
    metrics.add(lambda: list(console.samples()))
    try:
        yield
    finally:
        console.stop()


def _shown(host: Host, config: ConsoleConfig, url: str) -> Shown:
    """What safe mode must know of it."""
    paths = (config.cert, config.key, host.running.configuration.root.gateway.secrets_dir)
    return Shown(url, *(None if path is None else str(path.absolute()) for path in paths))


def _begun(host: Host, config: ConsoleConfig) -> "Console | None":
    from gateway.console.server import PART, Console  # noqa: PLC0415 - a web server, which most gateways do without

    try:
        console = Console(host, config, asyncio.get_running_loop())
        console.start()
    except (FieldgateError, OSError) as error:
        host.health.report(
            PART, State.FAILED, str(error), "see to it, and restart the gateway; it runs without a console"
        )
        host.log.error("no console", why=str(error))  # noqa: TRY400 - it is a sentence, and no fault of ours
        return None
    return console
