"""A plant to look at: machines with faults, five thousand tags, a broker, the daemon, its console and its users."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.cli.children import Child, simulator
from gateway_sim.demo_config import farm_configuration
from tests.e2e.site import Site, until
from tests.plugins.gateway_opcua.issuing import DAY, make
from tests.plugins.gateway_opcua.securing import serving

STEP: Final = "50ms"
PACE: Final = 20.0  # plant seconds in one of ours
LEARN: Final = 700  # rows; as the demo: 35 s, in which the load goes up and down a few times
DEVICES, REGISTERS, PERIOD = 50, 100, "1s"  # of the farm: 5,000 tags, 5,000 updates a second
PASSWORD: Final = "a password of the browser tests"
PRESS: Final[dict[str, Any]] = {
    "device": "press",
    "adapter": "sim",
    "every": "200ms",
    "tags": {"t": {"wave": "constant", "mean": 95.0}},
}
RULE: Final = {"tag": "press.t", "above": 90.0, "alarm": {"severity": "critical", "on_delay": "0s", "off_delay": "0s"}}

ROBOT: Final[dict[str, Any]] = {  # trusted by nobody yet
    "device": "robot", "adapter": "opcua", "every": "1s", "security": "sign_and_encrypt", "first_use": "refuse",
    "tags": {"time": {"node": "i=2258"}},
}  # fmt: skip


class Plant:
    """What a test needs of it: the console's address, the first password, the simulator to break machines in.

    Attributes:
        site: the gateway with its files.
        machines: the simulated plant; takes `fault NAME on|off`.
        url: where the console is.
        first: user and password that the gateway has made.
    """

    def __init__(self, site: Site, machines: Child) -> None:
        self.site, self.machines = site, machines
        until((site.state / "console-listen").is_file, "the console listens")
        self.url = (site.state / "console-listen").read_text()
        user, _, password = (site.state / "console-password").read_text().strip().partition(" ")
        self.first = (user, password)

    def judged(self, asset: str) -> bool:
        """Whether the asset has learnt."""
        return bool(self.site.asset(asset)["phase"] == "scoring")

    def recorded(self, asset: str) -> bool:
        """Whether some of it lies on disk."""
        return any(path.stat().st_size for path in (self.site.state / "recording" / asset).glob("*.rec"))


@contextlib.contextmanager
def plant(folder: Path) -> Iterator[Plant]:
    """All of it, set up and taken down."""
    with contextlib.ExitStack() as stack:
        broker, ports = simulator("broker", log=folder / "broker.log")
        stack.callback(broker.stop)
        options = ("--step", STEP, "--pace", str(PACE), "--seed", "1")
        machines, ready = simulator("plant", *options, log=folder / "plant.log")
        stack.callback(machines.stop)
        options = ("--devices", str(DEVICES), "--registers", str(REGISTERS), "--period", PERIOD)
        farm, many = simulator("farm", *options, "--journal", str(folder / "journal.csv"), log=folder / "farm.log")
        stack.callback(farm.stop)
        robot = stack.enter_context(serving(folder / "robot", make(name="robot", expires=21 * DAY)))
        devices = [*_devices(ready, many), {**ROBOT, "connect": f"opc.tcp://127.0.0.1:{robot.port}"}]
        site = stack.enter_context(Site(folder, devices, ports["mqtt5"], **_root(ready)))
        yield Plant(site.start(), machines)


def _devices(ready: dict[str, Any], many: dict[str, Any]) -> list[dict[str, Any]]:
    read = {"opcua": {"mode": "read"}}
    own = [{**device, "every": STEP, **read.get(device["adapter"], {})} for device in ready["devices"]]
    return [*own, PRESS, *farm_configuration(many)["devices"]]


def _root(ready: dict[str, Any]) -> dict[str, Any]:
    alarm = {"severity": "high", "on_delay": "500ms", "off_delay": "1s"}
    assets = {name: {"tags": tags, "calibrate": LEARN, "alarm": alarm} for name, tags in ready["assets"].items()}
    return {
        "assets": {**assets, "press": {"tags": ["press.t"], "rules": {"hot": RULE}}},
        "recording": {"keep": "4MiB"},
        "console": {"listen": "127.0.0.1:0"},
    }


def rewrite(file: Path, **change: Any) -> None:
    """Change what stands in a configuration file of the site."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}, ensure_ascii=False, indent=1))
