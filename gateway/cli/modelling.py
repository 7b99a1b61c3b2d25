"""The work of `fieldgate model`: pack and sign, check, and have a running gateway carry out a command."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any, Final

from gateway.cli.common import FAILED, OK, TRY_LATER, complain, print_json, state_folder
from gateway.config.load import load
from gateway.config.schema import ModelsConfig
from gateway.ingest.registry import Registry
from gateway.models.bundle import MANIFEST, MODEL, look_at, open_bundle, pack, read_files, to_archive
from gateway.models.manifest import BundleError, Manifest, read_manifest
from gateway.models.process import Limits, Process
from gateway.models.shelf import Shelf
from gateway.models.signing import generate, read_private, read_trusted

ANSWER_WITHIN: Final = 15.0  # s that a running gateway may take to carry out a command


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
    ticket = shelf.inbox.leave({"verb": args.model_verb, "name": name, "version": version})
    answer = shelf.inbox.answered(ticket, ANSWER_WITHIN)
    if answer is None:
        complain("no gateway has answered; the command waits and is carried out when one runs on this state")
        return TRY_LATER
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
