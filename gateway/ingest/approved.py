"""Which plugins may be imported: where `plugins.lock` stands, only those it names, byte for byte as they were approved.

    # plugins.lock: as `fieldgate plugins --lock` prints it
    b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c  acme-fieldgate 1.2

A plugin is code that runs as the gateway. Who may install packages may not thereby say what runs in a plant: who owns
the file does. What it does not see is code that Python itself runs at its start (.pth files, sitecustomize).
"""

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import Distribution, EntryPoint, PackagePath
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LOCK: Final = Path("/etc/fieldgate/plugins.lock")
OWN: Final = "fieldgate"  # what comes with the gateway is the gateway
_NOT_CODE: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # say how it was installed, and where
_DIGITS: Final = 64


def lock_file() -> Path:
    """Where approvals stand on this machine."""
    return Path(os.environ.get("FIELDGATE_PLUGINS", LOCK))


def approvals(path: Path) -> Mapping[str, str] | None:
    """Name of each approved distribution → its digest; None where there is no such file, and all are approved.

    Raises:
        ValueError: a line is none; nothing is approved then.
    """
    if not path.exists():
        return None
    found = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or len(words[0]) != _DIGITS:  # noqa: PLR2004 - digest and name
            raise ValueError(f"{path}:{number}: a line is a SHA-256, the name and the version of a distribution")
        found[words[1]] = words[0]
    return found


def digest(dist: Distribution) -> str:
    """SHA-256 over the names and contents of all that `dist` has installed.

    Raises:
        ValueError: it does not say what it has installed, or not all of it is there.
    """
    files = sorted((file for file in dist.files or () if _counts(file)), key=str)
    if not files:
        raise ValueError("it does not say which files are its own")
    whole = hashlib.sha256()
    for file in files:
        try:
            content = Path(str(file.locate())).read_bytes()
        except OSError as error:
            raise ValueError(f"{file} cannot be read: {error.strerror}") from error
        whole.update(f"{hashlib.sha256(content).hexdigest()}  {file}\n".encode())
    return whole.hexdigest()


def refusal(entry: EntryPoint, path: Path | None = None) -> str:
    """Why the plugin must not be imported, or ""."""
    dist = entry.dist
    path = path or lock_file()
    try:
        approved = approvals(path)
        if approved is None or (dist is not None and dist.name == OWN):
            return ""
        if dist is None or dist.name not in approved:
            return f"it is not approved in {path}; `fieldgate plugins --lock` prints what approves it"
        if not _is_its_own(entry, dist):
            return f"module {entry.module} is not among the files of {dist.name}: install it, and not as editable"
        if digest(dist) != approved[dist.name]:
            return f"it is not what was approved in {path}: its SHA-256 is {digest(dist)}"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _counts(file: PackagePath) -> bool:
    """Whether a file is as it was packed, and not what Python or pip made of it, as scripts are."""
    made = file.suffix == ".pyc" or file.parts[0] == ".."
    return not made and not (file.parent.suffix == ".dist-info" and file.name in _NOT_CODE)


def _is_its_own(entry: EntryPoint, dist: Distribution) -> bool:
    """Whether the package that would be imported is one that the distribution has installed. Imports nothing."""
    spec = find_spec(entry.module.partition(".")[0])
    places = {Path(str(file.locate())).resolve() for file in dist.files or ()}
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() in places
