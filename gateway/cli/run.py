"""`fieldgate run`: the daemon."""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog

from gateway.app import Gateway
from gateway.changes import Files
from gateway.cli.common import OK, TRY_LATER, add_config, state_folder
from gateway.cli.scrub import Scrub, secret_folders, secrets_in
from gateway.config.load import Configuration, load
from gateway.config.problems import ConfigErrors, did_you_mean
from gateway.config.schema import Root
from gateway.config.shelf import digest
from gateway.console.start import serving
from gateway.ingest.registry import Registry
from gateway.ops import logs, safemode
from gateway.ops.clock import SystemClock
from gateway.ops.lastwords import asked_to_end
from gateway.ops.lock import lock
from gateway.ops.memory import bound_malloc, compacted, share_equal_tags
from gateway.ops.metrics import Metrics
from gateway.ops.safepage import Shown
from gateway.ops.starts import SETTLED, Starts
from gateway.ops.supervisor import GivenUpError
from gateway.ops.watchdog import Watchdog
from gateway.ops.web import JSON, TEXT, Answer, WebServer, json_answer
from gateway.reading import read_beside
from gateway.state.configurations import ConfigurationMissingError, Configurations


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "run", help="run the gateway", description="Run the gateway until it is told to stop."
    )
    add_config(parser)
    parser.add_argument("--state", type=Path, help="folder for outbox, alarms and calibrations")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="instead of log.level")
    parser.add_argument("--listen", metavar="HOST:PORT", help="instead of metrics.listen")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; in safe mode after too many starts that came to nothing, before all else."""
    starts = Starts.of(os.environ, args.state)
    if starts is None:
        return _run(args, None)
    if starts.begin():
        return _safe(args, starts)
    with starts:
        return _run(args, starts)


def _safe(args: argparse.Namespace, starts: Starts) -> int:
    """Answer and explain. Ended by hand, or after a while, the gateway is started in the ordinary way."""
    logs.configure(args.log_level or "info", SystemClock())
    state = starts.folder
    lock(state)
    shown = Shown.read(state)
    own = Path(shown.secrets) if shown and shown.secrets else None
    scrub = Scrub(secrets_in(secret_folders(args.config, own)))
    if safemode.serve(starts, state, args.listen, structlog.get_logger(), scrub=scrub):
        starts.clear()
        return OK
    starts.once_more()
    return TRY_LATER


def _run(args: argparse.Namespace, starts: Starts | None) -> int:
    """Read the configuration, then run."""
    gc.freeze()  # what has been loaded stays: the collections after the reading need not look through it
    registry = Registry()
    configuration, doubt = _chosen(args.config, registry, args.state, starts)
    bound_malloc()
    share_equal_tags(configuration.devices)
    configuration = compacted(configuration)
    root, clock = configuration.root, SystemClock()
    logs.configure(args.log_level or root.log.level, clock, root.log.levels)
    log = structlog.get_logger()
    state = state_folder(args.state, root.gateway.state)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock(state)
    for warning in configuration.warnings:
        log.warning("configuration", problem=str(warning))
    if doubt:
        log.warning("configuration in doubt", why=doubt)

    async def daemon() -> int:
        gateway = Gateway(
            configuration, registry.adapter, state, clock, log, Files(partial(read_beside, args.config), doubt)
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if starts:
            loop.call_later(SETTLED, loop.run_in_executor, None, starts.settled, root.gateway.id, configuration.files)
        if gateway.changes:
            loop.add_signal_handler(signal.SIGHUP, gateway.changes.ask, "SIGHUP")
        metrics, listen = Metrics(), args.listen or root.metrics.listen
        metrics.add(lambda: list(gateway.status.samples()))
        metrics.add(lambda: [*gateway.defence.samples(), *gateway.keeping.samples()])
        with serving(gateway, root.console, metrics), _web(gateway, listen, metrics), _pushed(gateway, root, metrics):
            try:
                await gateway.run(stop)
            except GivenUpError:
                log.exception("gateway gives up")
                raise
        return OK

    return _to_its_end(daemon(), state)


def _to_its_end(daemon: Coroutine[Any, Any, int], state: Path) -> int:
    """Run the daemon. Raises FieldgateError where a plugin has asked for the end of the process."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(daemon)
    except SystemExit as error:
        raise asked_to_end(state, error) from error


def _chosen(path: Path, registry: Registry, given: Path | None, starts: Starts | None) -> tuple[Configuration, str]:
    """What is to run, and why it is not what the files say; "" where it is.

    What was on trial and has not been confirmed is not run. Where nobody is there to mend them (systemd starts us),
    what ran last is run in the place of files that are wrong.
    """
    models = registry.models()
    try:
        configuration = load(path, models)
    except ConfigErrors as error:
        kept = Configurations(starts.folder) if starts else None
        latest = kept.latest() if kept else None
        if kept is None or latest is None:
            raise
        why = f"the files are wrong ({len(error.problems)} in all, the first: {error.problems[0]})"
        doubt = kept.doubt()
        number = doubt.instead if doubt and doubt.digest == latest.digest else latest.number
        return load(path, models, kept=kept.content(number)), why
    kept = Configurations(state_folder(given, configuration.root.gateway.state))
    doubt = kept.doubt()
    if doubt is None or doubt.digest != digest(configuration.content):
        return configuration, ""
    with contextlib.suppress(ConfigurationMissingError, ConfigErrors):  # else what the files say is all there is
        return load(path, models, kept=kept.content(doubt.instead)), doubt.why
    return configuration, ""


@contextlib.contextmanager
def _web(gateway: Gateway, listen: str | None, metrics: Metrics):  # type: ignore[no-untyped-def]  # noqa: ANN202 - contextmanager
    """Serve metrics and health while the gateway runs."""
    if listen is None:
        yield None
        return

    def why(query: Mapping[str, str]) -> Answer:
        name = query.get("name", "")
        try:
            return json_answer(HTTPStatus.OK, gateway.why.of(name))
        except KeyError:
            hint = did_you_mean(name, gateway.why.names())
            return json_answer(
                HTTPStatus.NOT_FOUND, {"error": f"there is no tag and no asset '{name}'; {hint}".rstrip("; ")}
            )

    server = WebServer(
        listen,
        {
            "/metrics": lambda _: (HTTPStatus.OK, TEXT, metrics.render()),
            "/why": why,
            "/status": lambda _: (HTTPStatus.OK, JSON, gateway.status.line()),
            "/healthz": lambda _: _alive(gateway.watchdog),
            "/readyz": lambda _: json_answer(
                HTTPStatus.OK if gateway.status.ready() else HTTPStatus.SERVICE_UNAVAILABLE,
                {"ready": gateway.status.ready()},
            ),
        },
    )
    server.start()
    (gateway.state / "listen").write_text(server.address)
    try:
        yield server
    finally:
        server.stop()


def _alive(watchdog: Watchdog) -> Answer:
    """Whether the loop turns; this thread would answer without it."""
    if watchdog.alive():
        return json_answer(HTTPStatus.OK, {"alive": True})
    return json_answer(HTTPStatus.SERVICE_UNAVAILABLE, {"alive": False, "silent": round(watchdog.silent(), 1)})


def _pushed(gateway: Gateway, root: Root, metrics: Metrics) -> contextlib.AbstractContextManager[None]:
    """Push the metrics while the gateway runs, where there is a collector."""
    if root.metrics.otlp is None:
        return contextlib.nullcontext()
    from gateway.ops.otlp import sending  # noqa: PLC0415 - optional

    return sending(root.metrics.otlp, metrics, root.gateway.id, gateway.clock, gateway.health, gateway.log)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: 2.3 times less CPU on many small sockets."""
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
