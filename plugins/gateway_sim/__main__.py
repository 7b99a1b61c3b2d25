"""`python -m gateway_sim VERB`: the simulators as processes. See README.md for what each says and obeys."""

import argparse
import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from gateway.sdk import Duration
from gateway_sim.broker import BrokerMissingError
from gateway_sim.process import die_with_parent
from gateway_sim.profile import ProfileError
from gateway_sim.recording import RecordingError

_MODULES: Final = {
    "plant": "gateway_sim.plant_process",
    "player": "gateway_sim.player",
    "farm": "gateway_sim.farm_process",
    "modbus": "gateway_sim.modbus_profile",
    "broker": "gateway_sim.broker",
}
_FAST: Final = frozenset({"farm"})  # runs on uvloop where that is installed


def duration(text: str) -> float:
    """Seconds, from `50ms` or `1s`. Raises ValueError."""
    seconds: float = TypeAdapter(Duration).validate_python(text)
    return seconds


def written_duration(text: str) -> str:
    """A duration that is kept as it is written, once it is known to be one."""
    duration(text)
    return text


def pace(text: str) -> float | None:
    """Seconds between two rows; None for `reads`, in lock-step with the reader."""
    return None if text == "reads" else duration(text)


def column_list(text: str) -> list[str]:
    """Names separated by commas."""
    return text.split(",")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m gateway_sim", description="Simulated plant, devices and broker.")
    verbs = top.add_subparsers(dest="verb", required=True)
    for verb, add in (
        ("plant", _plant),
        ("player", _player),
        ("farm", _farm),
        ("modbus", _modbus),
        ("broker", _broker),
    ):
        one = verbs.add_parser(verb)
        one.add_argument("--keep", action="store_true", help="do not end at the end of stdin")
        add(one)
    return top


def _plant(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--step", type=duration, default=0.05, help="real time between two steps: 50ms")
    verb.add_argument("--pace", type=float, default=1.0, help="seconds that the plant lives in one second")
    verb.add_argument("--seed", type=int, default=1, help="same seed, same plant")
    verb.add_argument("--secure", action="store_true", help="OPC UA by Basic256Sha256 only")
    verb.add_argument("--user", metavar="NAME:PASSWORD", help="who may read by OPC UA; anybody unless given")
    _ports(verb)


def _player(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--csv", type=Path, required=True, help="recording: timestamp and one column a tag; may be .gz")
    verb.add_argument("--columns", type=column_list, help="only these, by their names in the file: a,b,c")
    verb.add_argument("--pace", type=pace, default=None, help="time between two rows, or reads: as fast as it is read")
    verb.add_argument("--split", choices=("half", "opcua", "modbus"), default="half", help="what OPC UA serves")
    verb.add_argument("--limit", type=int, help="only the first so many rows")
    verb.add_argument("--log", type=Path, help="file that gets row,wall_ns when a row is first served")
    _ports(verb)


def _farm(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--devices", type=int, default=10)
    verb.add_argument("--registers", type=int, default=120)
    verb.add_argument("--period", type=written_duration, default="1s", help="told to the reader; the farm only answers")
    verb.add_argument("--base-port", type=int, default=0, help="first of consecutive ports; 0 takes free ones")
    verb.add_argument("--delay", type=float, default=0.0, metavar="MS", help="time to answer, in ms")
    verb.add_argument("--journal", type=Path, help="file that gets device,count,wall_us for each answered read")


def _modbus(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("profile", type=Path, metavar="PROFILE.yaml", help="tags, waves and faults of each unit")


def _broker(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, default=0, help="MQTT 5")
    verb.add_argument("--port-311", type=int, default=0, help="MQTT 3.1.1")


def _ports(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--opcua-port", type=int, default=0)
    verb.add_argument("--modbus-port", type=int, default=0)


def loop_factory(verb: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop for the verbs that want it, where it is installed; else asyncio's own."""
    if verb not in _FAST:
        return None
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0 ended as asked, 1 could not serve, 2 wrong usage."""
    options = parser().parse_args(arguments)
    die_with_parent()
    run: Callable[[argparse.Namespace], Coroutine[Any, Any, None]] = importlib.import_module(_MODULES[options.verb]).run
    try:
        with asyncio.Runner(loop_factory=loop_factory(options.verb)) as runner:
            runner.run(run(options))
    except (RecordingError, ProfileError, BrokerMissingError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
