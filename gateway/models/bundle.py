"""A bundle: `model.onnx`, `manifest.json` and `bundle.dsse.json`, as a folder or an archive; read once, in bounds.

What was checked is what is used: the files are read into memory, hashed, and never opened again. The signed statement
names every file with its SHA-256 and size; a file more or less, or a bit flipped anywhere, and the bundle is refused.
"""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from gateway import __version__
from gateway.models.cohorts import Watched
from gateway.models.manifest import BundleError, Manifest, match_tags, order, read_manifest
from gateway.models.onnxlook import Look, check_shape, look
from gateway.models.signing import Keys, sign, verify

MODEL: Final = "model.onnx"
MANIFEST: Final = "manifest.json"
ENVELOPE: Final = "bundle.dsse.json"
FILES: Final = (MODEL, MANIFEST, ENVELOPE)
SMALL: Final = 4 * 2**20  # bytes that manifest and envelope may have
PACE: Final = 0.1  # by how much an asset's period may differ from that of training, as a share
LIMIT: Final = 64 * 2**20  # bytes that the model may have unless the caller says otherwise


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are what a trusted key has signed, and whose graph may be run in a worker.

    Attributes:
        manifest: what it says of itself.
        files: its files as they were checked, by name.
        key: id of the key that signed it.
        look: what the graph holds.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    key: str
    look: Look

    @property
    def model(self) -> bytes:
        """The ONNX file."""
        return self.files[MODEL]

    @property
    def label(self) -> str:
        """Name and version, for messages: pump-7 1.4.2."""
        return f"{self.manifest.name} {self.manifest.version}"

    def archive(self) -> bytes:
        """The bundle as an archive, the same bytes every time."""
        return to_archive(self.files)


def open_bundle(path: Path, trusted: Keys, limit: int = LIMIT) -> Bundle:
    """Read the bundle at `path`, a folder or an archive, and check all that can be checked without running it.

    Args:
        path: the folder, or the .tar file.
        trusted: public keys, one of which must have signed it.
        limit: bytes that the model may have.

    Raises:
        BundleError: the first check that failed, in this order: unreadable, size, layout, unsigned, untrusted,
            tampered, manifest, gateway, graph, shape.
    """
    return check(read_files(path, limit), trusted)


def check(files: Mapping[str, bytes], trusted: Keys) -> Bundle:
    """As open_bundle, of files that were read."""
    if ENVELOPE not in files:
        raise BundleError("unsigned", f"there is no {ENVELOPE}; `fieldgate model pack` signs a bundle")
    payload, key = verify(files[ENVELOPE], trusted)
    _check_statement(payload, files)
    manifest = read_manifest(files[MANIFEST])
    if payload != statement(manifest, files):
        raise BundleError("tampered", "the signed statement is of another name or version than manifest.json")
    _check_gateway(manifest)
    return Bundle(manifest, files, key, look_at(files[MODEL], manifest))


def look_at(model: bytes, manifest: Manifest) -> Look:
    """What the graph holds. Raises BundleError (graph, shape) where it is refused or does not fit the manifest."""
    found = look(model)
    check_shape(found, manifest)
    return found


def pack(model: bytes, manifest: Manifest, key: Ed25519PrivateKey) -> dict[str, bytes]:
    """The files of a bundle, signed."""
    files = {MODEL: model, MANIFEST: manifest.encode()}
    return {**files, ENVELOPE: sign(statement(manifest, files), key)}


def statement(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """What is signed: name, version, and every file by its SHA-256 and size."""
    listed = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name])}
        for name in (MODEL, MANIFEST)
    }
    content = {"kind": "model", "name": manifest.name, "version": manifest.version, "files": listed}
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _check_statement(payload: bytes, files: Mapping[str, bytes]) -> None:
    """Whether the files are those that were signed. Raises BundleError (tampered, layout)."""
    try:
        listed: dict[str, Any] = dict(orjson.loads(payload)["files"])
        sums = {str(name): str(one["sha256"]) for name, one in listed.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BundleError("tampered", f"the signed statement cannot be read: {error!r:.100}") from error
    for name in (MODEL, MANIFEST):
        if name not in files:
            raise BundleError("layout", f"{name} is missing")
        if hashlib.sha256(files[name]).hexdigest() != sums.get(name):
            raise BundleError("tampered", f"{name} is not the file that was signed: its SHA-256 differs")


def _check_gateway(manifest: Manifest) -> None:
    if order(manifest.minimum_gateway) > order(__version__):
        text = f"the bundle needs Fieldgate {manifest.minimum_gateway}, this is {__version__}"
        raise BundleError("gateway", text)


# -- files -------------------------------------------------------------------------------------------------------------


def read_files(path: Path, limit: int = LIMIT) -> dict[str, bytes]:
    """The files of the bundle at `path`, each no larger than it may be. Raises BundleError."""
    try:
        return _read_folder(path, limit) if path.is_dir() else _read_archive(path, limit)
    except OSError as error:
        raise BundleError("unreadable", f"{path}: {error.strerror or error}") from error


def _read_folder(folder: Path, limit: int) -> dict[str, bytes]:
    names = sorted(entry.name for entry in os.scandir(folder))
    _check_names(names)
    return {name: _read(folder / name, _most(name, limit)) for name in names}


def _read(path: Path, most: int) -> bytes:
    """A plain file; no link is followed, and what is no file is not waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123 - of a handle
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BundleError("layout", f"{path.name} is no plain file")
        content = file.read(most + 1)
    if len(content) > most:
        raise BundleError("size", f"{path.name} has more than {most} bytes")
    return content


def _read_archive(path: Path, limit: int) -> dict[str, bytes]:
    content = _read(path, limit + 3 * SMALL)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            files = dict(_members(tar, limit))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BundleError("layout", f"{path.name} is no archive of a bundle: {error}") from error
    _check_names(list(files))
    if to_archive(files) != content:
        raise BundleError("tampered", f"{path.name} is not an archive as `fieldgate model pack` writes it")
    return files


def _members(tar: tarfile.TarFile, limit: int) -> list[tuple[str, bytes]]:
    found = []
    for member in tar:
        if not member.isreg() or member.name not in FILES or member.issparse():
            raise BundleError("layout", f"{member.name[:80]!r} does not belong into a bundle")
        if member.size > _most(member.name, limit):
            raise BundleError("size", f"{member.name} has {member.size} bytes, at most {_most(member.name, limit)}")
        file = tar.extractfile(member)
        found.append((member.name, file.read() if file else b""))
    return found


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in FILES:
            raise BundleError("layout", f"{name[:80]!r} does not belong into a bundle")
    missing = [name for name in (MODEL, MANIFEST) if name not in names]
    if missing:
        raise BundleError("layout", f"{missing[0]} is missing")


def _most(name: str, limit: int) -> int:
    return limit if name == MODEL else SMALL


def to_archive(files: Mapping[str, bytes]) -> bytes:
    """The files as an uncompressed tar: one spelling only, so that a bit flipped in a header is seen too."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in FILES:
            if name in files:
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(files[name]), 0o644
                tar.addfile(member, io.BytesIO(files[name]))
    return out.getvalue()


def places(bundle: Bundle, assets: Sequence[Watched]) -> NDArray[np.int64]:
    """Where each of `assets` has the tag of each input: i8[n, D]. Raises BundleError (units, pace)."""
    every = bundle.manifest.window.every
    for asset in assets:
        if every is not None and abs(asset.period / every - 1) > PACE:
            words = f"is scored every {asset.period:g} s, the model was trained on rows every {every:g} s"
            raise BundleError("pace", f"{asset.name} {words}")
    return np.array([match_tags(bundle.manifest, asset.tags, asset.units) for asset in assets], np.int64)
