"""The console as one part of the gateway: a thread with its own loop, on which uvicorn serves the application.

A fault in it is told of by its health and never ends the gateway; a slow page never holds up a scan.
"""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn

from gateway.config.console import ConsoleConfig
from gateway.console.access import Access
from gateway.console.accounts import Accounts
from gateway.console.acting import Acting
from gateway.console.application import Door, application
from gateway.console.audit import Acts
from gateway.console.beside import Beside
from gateway.console.calls import Desk
from gateway.console.connection import Connection, Places, PromptLoop
from gateway.console.host import Host, Loop
from gateway.console.logbook import Logbook
from gateway.console.looking import Looking
from gateway.console.memory import Memory
from gateway.console.sessions import Sessions
from gateway.console.stream import Hub
from gateway.console.watching import Watching
from gateway.ops.health import State
from gateway.ops.metrics import Sample
from gateway.ops.supervisor import GivenUpError, Supervisor
from gateway.sdk.errors import ConfigError, denied

LISTEN: Final = "console-listen"  # file of the state: where it listens
PART: Final = "console"
_STOP: Final = 3.0  # s
_HEAD: Final = 16384  # bytes of a request's head
_RENEW: Final = 60.0  # s between two looks whether the certificate on disk is another one


class Console:
    """Serves `host`, whose loop is `loop`."""

    def __init__(self, host: Host, config: ConsoleConfig, loop: asyncio.AbstractEventLoop) -> None:
        """Opens its files and its address; blocks. Raises ConfigError, UsersError."""
        assert config.listen is not None  # noqa: S101 - who has none makes no console
        self._host, self._config, self._gateway = host, config, Loop(loop)
        self._shown = _stamps(config)
        self._tls = _tls(config)
        self._accounts = Accounts(host.state, host.clock, Sessions(host.clock, config.session, config.idle))
        try:
            self._socket = _bound(config.listen)
        except ConfigError:
            self._accounts.close()
            raise
        self._logbook = Logbook()
        self._thread = threading.Thread(target=self._run, name=PART, daemon=True)
        self._server: uvicorn.Server | None = None
        self._hub: Hub | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beside = Beside(host)
        self._leaving = False

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def url(self) -> str:
        """What a person types."""
        return f"{'https' if self._tls else 'http'}://{self.address}/"

    def samples(self) -> Iterator[Sample]:
        """For the metrics; from any thread."""
        yield Sample("console_logins_wrong_total", self._accounts.wrong)
        yield Sample("console_connections", self._socket.taken)
        yield Sample("console_connections_refused_total", self._socket.refused)
        yield Sample("console_pages", len(self._hub.viewers) if self._hub else 0)
        yield Sample("console_pages_behind_total", self._hub.behind if self._hub else 0)

    def start(self) -> None:
        """Begin to answer."""
        (self._host.state / LISTEN).write_text(self.url)
        self._logbook.begin()
        self._thread.start()

    def stop(self) -> None:
        """Tell the pages, stop answering, keep what waits; blocks for a moment."""
        self._logbook.end()
        self._leaving = True
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop has ended by itself
                self._loop.call_soon_threadsafe(self._leave)
        self._thread.join(_STOP)

    def _leave(self) -> None:
        if self._hub:
            self._hub.end("restart")
        if self._server:
            self._server.should_exit = True
        self._beside.end()

    # -- on its thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        why = "it has ended"
        try:
            with asyncio.Runner(loop_factory=PromptLoop) as runner:
                runner.run(self._serve())
        except GivenUpError as error:
            why = str(error)
        finally:
            self._accounts.close()
            self._socket.close()
            if not self._leaving:
                self._host.health.report(PART, State.FAILED, why, "see the log; the gateway goes on without it")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        acts = Acts(self._host.state, self._config.audit, self._host.clock)
        await acts.open()
        self._accounts.noted = acts.outside
        memory = Memory(self._host, self._config.past)
        looking = Looking(self._host, memory, self._logbook)
        self._hub = hub = Hub(self._host, looking.sources(), self._accounts.still, self._config.viewers)
        self._server = uvicorn.Server(self._uvicorn(self._application(acts, looking, hub)))
        self._server.should_exit = self._leaving  # the gateway was ended while this began
        supervisor = Supervisor(self._host.clock, self._host.log, self._host.health)
        for name, part in (("pages", hub.run), ("past", memory.run), ("accounts", self._accounts.follow)):
            supervisor.add(f"{PART} {name}", part)
        if self._tls:
            supervisor.add(f"{PART} certificate", self._renew)
        parts = asyncio.create_task(supervisor.run(), name=PART)
        serving = asyncio.create_task(self._server.serve([self._socket]), name=f"{PART} server")
        self._host.health.report(PART, State.OK)
        try:
            done, _ = await asyncio.wait([parts, serving], return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            parts.cancel()
            await acts.close()

    def _application(self, acts: Acts, looking: Looking, hub: Hub) -> Door:
        secure = self._tls is not None
        cookie = "__Host-fieldgate" if secure else "fieldgate"  # RFC 6265bis: no other host, no plain http can set it
        access = Access(self._host, self._accounts, acts, cookie, secure=secure)
        acting = Acting(self._host, self._gateway)
        desk = Desk(self._accounts, acts, cookie, self._host.clock)
        parts = (
            access.routes(),
            looking.routes(hub),
            acting.routes(),
            Watching(hub).routes(),
            self._beside.routes(),
        )
        app = application(desk, access.login, [route for routes in parts for route in routes])
        return Door(app, self._config.hosts, secure=secure)

    def _uvicorn(self, app: Door) -> uvicorn.Config:
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        config = uvicorn.Config(
            app, loop="asyncio", http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_graceful_shutdown=1, h11_max_incomplete_event_size=_HEAD,
        )  # fmt: skip
        config.load()
        config.ssl = self._tls
        return config

    async def _renew(self) -> None:
        """Show a certificate that was put in the place of the present one, for ever; a wrong one changes nothing."""
        while True:
            await asyncio.sleep(_RENEW)
            stamps = await asyncio.to_thread(_stamps, self._config)
            if stamps == self._shown:
                continue
            try:
                await asyncio.to_thread(self._renewed)
            except (ConfigError, OSError, ssl.SSLError) as error:  # half of it may be written yet: at the next look
                self._host.log.warning("console certificate not usable", why=str(error))
            else:
                self._shown = stamps

    def _renewed(self) -> None:
        """Tried on a fresh context: one that has failed keeps the new certificate beside the old key."""
        assert self._tls is not None  # noqa: S101 - who has none does not call
        assert self._config.cert is not None  # noqa: S101 - as above
        _tls(self._config)
        self._tls.load_cert_chain(self._config.cert, self._config.key)


def _stamps(config: ConsoleConfig) -> tuple[tuple[int, int], ...]:
    """Another value when one of the two files is another one."""
    return tuple(_stamp(path) for path in (config.cert, config.key) if path is not None)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _bound(listen: str) -> Places:
    """A socket that listens there. Raises ConfigError with the remedy."""
    host, _, port = listen.rpartition(":")
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"console.listen: {listen}: {why}; name a free address") from error
    places = Places(bound)
    places.setblocking(False)  # noqa: FBT003 - socket's own
    return places


def _tls(config: ConsoleConfig) -> ssl.SSLContext | None:
    """TLS 1.2 and newer; None without a certificate. Raises ConfigError."""
    if config.cert is None or config.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.cert, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"console.cert, console.key: {config.cert}: {error}; both in PEM, and belonging together{denied(error)}"
        ) from error
    return context
