"""`fieldgate certs`: the gateway's own certificates and those of servers: look, trust, reject, renew.

It works on the state folder. A gateway that runs takes up what has changed by itself.
"""

import argparse
import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cli.common import FAILED, OK, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.config.problems import PluginError
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock
from gateway.ops.files import give
from gateway.sdk.certificates import Certificate, Certificates, Certified, NoSuchCertificateError
from gateway.sdk.errors import ConfigError, DisconnectedError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("certs", help="certificates: look, trust, reject, renew", description=__doc__)
    verbs = parser.add_subparsers(dest="certs_verb", metavar="VERB", required=True)
    for name, text, work in (
        ("list", "show every certificate, and how long it lasts", _list),
        ("trust", "trust the certificate of a file, or one that a server has shown", _trust),
        ("reject", "trust a certificate no longer", _reject),
        ("renew", "make a new own certificate, used beside the present one until that expires", _renew),
    ):
        one = verbs.add_parser(name, help=text)
        add_config(one)
        add_json(one)
        one.add_argument("--state", type=Path, help="state folder of the gateway; then no configuration is read")
        one.add_argument("--adapter", default="opcua", metavar="NAME", help="default: %(default)s")
        if name in ("trust", "reject"):
            which = "FILE|FINGERPRINT" if name == "trust" else "FINGERPRINT"
            one.add_argument("which", metavar=which, help="8 digits of the SHA-256 or more, as list shows it")
        if name == "renew":
            one.add_argument("--now", action="store_true", help="replace the present one at once")
        one.set_defaults(func=run, work=work)


def run(args: argparse.Namespace) -> int:
    """Do it; 1 when there is no such certificate."""
    state = args.state or state_folder(None, load(args.config, Registry().models()).root.gateway.state)
    if not state.is_dir():
        complain(f"{state}: there is no such folder; name the state folder with --state")
        return FAILED
    home = state / "adapters" / args.adapter
    try:
        home.mkdir(parents=True, exist_ok=True)
        return int(args.work(_keeper(args.adapter, home), args))
    except (NoSuchCertificateError, DisconnectedError, OSError) as error:
        complain(str(error))
        return FAILED
    finally:
        for path in (home.parent, home, *home.rglob("*")):
            if path.exists():
                give(path, state)


def _keeper(name: str, home: Path) -> Certificates:
    registry = Registry()
    try:
        adapter = registry.adapter(name)
    except KeyError:
        raise ConfigError(f"there is no adapter {name}; installed: {', '.join(registry.names)}") from None
    except PluginError as error:
        raise ConfigError(str(error)) from error
    if not issubclass(adapter, Certified):
        raise ConfigError(f"the adapter {name} has no certificates")
    return adapter.keeper(home, _now())


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(SystemClock().wall_ns() / 1e9, dt.UTC)


def _list(keeper: Certificates, args: argparse.Namespace) -> int:
    found = keeper.all()
    if args.json:
        print_json([_fields(one) for one in found])
        return OK
    for one in found:
        remark = f" ({one.remark})" if one.remark else ""
        print(f"{one.role:9}{one.subject}{remark}\n         {_lasts(one)}\n         SHA-256 {one.fingerprint}")
        print(f"         {one.place}")
    if not found:
        print("no certificates yet: the own one is made at the first secured connection, or by fieldgate certs renew")
    return OK


def _lasts(one: Certificate) -> str:
    days = (one.expires - _now()).total_seconds() / 86400
    left = f"{days:.0f} days left" if days > 0 else "EXPIRED"
    return f"{one.begins:%Y-%m-%d} to {one.expires:%Y-%m-%d}, {left}"


def _fields(one: Certificate) -> dict[str, Any]:
    days = round((one.expires - _now()).total_seconds() / 86400, 2)
    return {**asdict(one), "begins": one.begins.isoformat(), "expires": one.expires.isoformat(), "days": days}


def _trust(keeper: Certificates, args: argparse.Namespace) -> int:
    return _told(keeper.trust(args.which), args, "trusted", lambda one: one.remark or "wherever it is met")


def _reject(keeper: Certificates, args: argparse.Namespace) -> int:
    return _told(keeper.reject(args.which), args, "rejected", lambda _: "it is not trusted on first use either")


def _renew(keeper: Certificates, args: argparse.Namespace) -> int:
    made = keeper.renew(at_once=args.now)
    return _told(made, args, "made", lambda one: f"accept {one.place} on the servers")


def _told(one: Certificate, args: argparse.Namespace, done: str, say: Callable[[Certificate], str]) -> int:
    if args.json:
        print_json(_fields(one))
    else:
        print(f"{done}: {one.subject}, SHA-256 {one.fingerprint}: {say(one)}")
    return OK
