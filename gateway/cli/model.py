"""`fieldgate model …`: users' models from a folder with an ONNX file to a version that is judged by, and back."""

import argparse
from collections.abc import Callable
from pathlib import Path

from gateway.cli.common import add_config, add_json


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("model", help="sign, check, try and exchange users' models")
    verbs = parser.add_subparsers(dest="model_verb", metavar="VERB", required=True)
    _add_making(verbs)
    _add_living(verbs)


def _add_making(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    one = verbs.add_parser("keygen", help="make a key pair: NAME.key stays with you, NAME.pub goes to the gateways")
    one.add_argument("name", type=Path, help="path without the ending")
    one.set_defaults(func=_later("keygen"))
    one = verbs.add_parser("pack", help="check a folder with model.onnx and manifest.json, run it once, and sign it")
    add_json(one)
    one.add_argument("folder", type=Path, help="folder with model.onnx and manifest.json")
    one.add_argument("--key", type=Path, required=True, help="private key")
    one.add_argument("--out", type=Path, help="NAME.tar, or a folder; NAME-VERSION.tar beside the folder unless given")
    one.set_defaults(func=_later("run_pack"))
    one = verbs.add_parser("verify", help="check a bundle as a gateway would, its golden run included")
    add_config(one)
    add_json(one)
    one.add_argument("bundle", type=Path, help="folder or archive")
    one.add_argument("--keys", type=Path, help="folder with trusted public keys; models.keys unless given")
    one.set_defaults(func=_later("run_verify"))


def _add_living(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    texts = {
        "list": "show all models, their versions and how they compare",
        "shadow": "let a version score beside the active one, without alarms",
        "promote": "make the shadow active",
        "rollback": "make an earlier version active again",
    }
    for name, text in texts.items():
        one = verbs.add_parser(name, help=text)
        add_config(one)
        add_json(one)
        one.add_argument("--state", type=Path, help="state folder of the gateway")
        if name == "shadow":
            one.add_argument("bundle", help="a bundle (folder or archive), or NAME of an installed version")
        else:
            one.add_argument("model", nargs="?" if name == "list" else None, help="name of the model")
        if name != "list":
            one.add_argument("version", nargs="?", help="version, where it is not the only one in question")
        one.set_defaults(func=_later("run_list" if name == "list" else "run_command"))


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    """A function of `gateway.cli.modelling`, imported when it is called: the daemon need not pay for it."""

    def func(args: argparse.Namespace) -> int:
        from gateway.cli import modelling  # noqa: PLC0415 - 10 MB of cryptography

        return int(getattr(modelling, name)(args))

    return func
