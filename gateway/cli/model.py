"""`fieldgate model …`: users' models from a folder with an ONNX file to a version that is judged by, and back."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.config.schema import ModelsConfig
from gateway.ingest.registry import Registry
from gateway.models.bundle import MANIFEST, MODEL, look_at, open_bundle, pack, read_files, to_archive
from gateway.models.manifest import BundleError, Manifest, read_manifest
from gateway.models.process import Limits, Process
from gateway.models.shelf import Shelf
from gateway.models.signing import generate, read_private, read_trusted

ANSWER_WITHIN: Final = 15.0  # s that a running gateway may take to carry out a command


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("model", help="sign, check, try and exchange users' models")
    verbs = parser.add_subparsers(dest="model_verb", metavar="VERB", required=True)
    _add_making(verbs)
    _add_living(verbs)


def _add_making(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    one = verbs.add_parser("keygen", help="make a key pair: NAME.key stays with you, NAME.pub goes to the gateways")
    one.add_argument("name", type=Path, help="path without the ending")
    one.set_defaults(func=keygen)
    one = verbs.add_parser("pack", help="check a folder with model.onnx and manifest.json, run it once, and sign it")
    add_json(one)
    one.add_argument("folder", type=Path, help="folder with model.onnx and manifest.json")
    one.add_argument("--key", type=Path, required=True, help="private key")
    one.add_argument("--out", type=Path, help="NAME.tar, or a folder; NAME-VERSION.tar beside the folder unless given")
    one.set_defaults(func=run_pack)
    one = verbs.add_parser("verify", help="check a bundle as a gateway would, its golden run included")
    add_config(one)
    add_json(one)
    one.add_argument("bundle", type=Path, help="folder or archive")
    one.add_argument("--keys", type=Path, help="folder with trusted public keys; models.keys unless given")
    one.set_defaults(func=run_verify)


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
        one.set_defaults(func=run_list if name == "list" else run_command)


# -- making ------------------------------------------------------------------------------------------------------------


def keygen(args: argparse.Namespace) -> int:
    """Write a key pair; never over another."""
    private, public, key = generate()
    secret, open_one = args.name.with_suffix(".key"), args.name.with_suffix(".pub")
    try:
        secret.touch(mode=0o600, exist_ok=False)
        secret.write_bytes(private)
        with open_one.open("xb") as file:
            file.write(public)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return FAILED
    print(f"{secret}: private, keep it offline\n{open_one}: public, into models.keys of every gateway\nkey id {key}")
    return OK


def run_pack(args: argparse.Namespace) -> int:
    """Check, run, sign, write."""
    key = read_private(args.key)
    files = read_files(args.folder)
    manifest = read_manifest(files[MANIFEST])
    look_at(files[MODEL], manifest)
    told = asyncio.run(_try(files[MODEL], manifest, Limits()))
    golden = manifest.golden.model_copy(update={"score": told["golden"]})
    signed = pack(files[MODEL], manifest.model_copy(update={"golden": golden}), key)
    out = args.out or args.folder.with_name(f"{manifest.name}-{manifest.version}.tar")
    _write(out, signed)
    if args.json:
        print_json({"bundle": str(out), "name": manifest.name, "version": manifest.version, "golden": told["golden"]})
    else:
        print(f"{out}: {manifest.name} {manifest.version}, golden score {told['golden']:.6g}")
    return OK


def run_verify(args: argparse.Namespace) -> int:
    """All checks, in the order of the gateway; the first that fails is named."""
    settings = ModelsConfig(keys=args.keys) if args.keys else load(args.config, Registry().models()).root.models
    try:
        bundle = open_bundle(args.bundle, read_trusted(settings.keys), settings.size)
        told = asyncio.run(_try(bundle.model, bundle.manifest, _limits(settings)))
    except BundleError as error:
        if args.json:
            print_json({"ok": False, "code": error.code, "text": str(error)})
        else:
            print(f"refused: {error}")
        return FAILED
    facts = {
        "name": bundle.manifest.name, "version": bundle.manifest.version, "key": bundle.key,
        "inputs": [one.role for one in bundle.manifest.inputs], "window": bundle.manifest.window.rows,
        "nodes": bundle.look.nodes, "weights": bundle.look.weights, "provider": told["provider"],
        "golden": told["golden"],
    }  # fmt: skip
    if args.json:
        print_json({"ok": True, **facts})
    else:
        print("\n".join(["ok", *(f"  {name:9} {value}" for name, value in facts.items())]))
    return OK


async def _try(model: bytes, manifest: Manifest, limits: Limits) -> dict[str, Any]:
    """Run the golden window in a worker. Raises BundleError."""
    process = await Process.start(model, manifest, limits)
    told = dict(process.told)
    await process.close()
    return told


def _limits(settings: ModelsConfig) -> Limits:
    return Limits(settings.memory, settings.deadline, tuple(settings.providers))


def _write(out: Path, files: dict[str, bytes]) -> None:
    if out.suffix == ".tar":
        out.write_bytes(to_archive(files))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)


# -- living ------------------------------------------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> int:
    """What lies in the state folder."""
    shelf, _ = _shelf(args)
    names = [name for name in shelf.names() if args.model in (None, name)]
    records = {name: shelf.record(name) for name in names}
    if args.json:
        print_json([
            {"model": name, "versions": record.states, "why": record.why, "floor": record.floor}
            for name, record in records.items()
        ])  # fmt: skip
        return OK
    for name, record in records.items():
        print(name)
        for version, state in record.states.items():
            print(f"  {version:12} {state:12} {record.why.get(version, '')}")
        if report := shelf.report(name):
            print("\n".join(f"  {line}" for line in report.splitlines()))
    if not names:
        print("no models")
    return OK


def run_command(args: argparse.Namespace) -> int:
    """Lay down a command, and wait for what a running gateway says to it."""
    shelf, settings = _shelf(args)
    if args.model_verb == "shadow":
        name, version = _to_shadow(args, shelf, settings)
    else:
        name, version = args.model, args.version
    ticket = shelf.ask({"verb": args.model_verb, "name": name, "version": version})
    until = time.monotonic() + ANSWER_WITHIN
    while (answer := shelf.answered(ticket)) is None:
        if time.monotonic() > until:
            complain("no gateway has answered; the command waits and is carried out when one runs on this state")
            return TRY_LATER
        time.sleep(0.1)
    if args.json:
        print_json(answer)
    else:
        print(answer["text"], file=sys.stdout if answer["ok"] else sys.stderr)
    return OK if answer["ok"] else FAILED


def _to_shadow(args: argparse.Namespace, shelf: Shelf, settings: ModelsConfig) -> tuple[str, str]:
    """Name and version; a bundle that is given is checked, run once, and laid on the shelf."""
    path = Path(args.bundle)
    if not path.exists() and args.version:
        return args.bundle, args.version
    bundle = shelf.open(path)
    asyncio.run(_try(bundle.model, bundle.manifest, _limits(settings)))
    shelf.put(bundle)
    return bundle.manifest.name, bundle.manifest.version


def _shelf(args: argparse.Namespace) -> tuple[Shelf, ModelsConfig]:
    root = load(args.config, Registry().models()).root
    state = state_folder(args.state, root.gateway.state)
    return Shelf(state, read_trusted(root.models.keys), root.models.size), root.models
