"""What is in a package: `python packaging/sbom.py WHEELS` prints a CycloneDX 1.6 document of the wheels in a folder.

Name, version and licence are those that each wheel says of itself. A wheel that is not ours must be one of
locks/wheels.txt, by its hash; else nothing is printed. The same wheels give the same document, to the bit.
"""  # noqa: INP001 - a script beside the packages that it serves

import hashlib
import json
import os
import re
import sys
import uuid
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

LOCK: Final = Path(__file__).resolve().parents[1] / "locks/wheels.txt"
OURS: Final = "fieldgate"
Component = dict[str, Any]


def main(folder: Path) -> str:
    """The document of the wheels in `folder`."""
    locked = set(re.findall(r"sha256:([0-9a-f]{64})", LOCK.read_text()))
    found = [component(wheel, locked) for wheel in sorted(folder.glob("*.whl"))]
    (main_one,) = [one for one in found if one["name"] == OURS]
    rest = [one for one in found if one is not main_one]
    content = {
        "metadata": {"timestamp": _moment(), "component": {**main_one, "type": "application"}},
        "components": rest,
        "dependencies": [{"ref": main_one["bom-ref"], "dependsOn": [one["bom-ref"] for one in rest]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}", "version": 1}
    return json.dumps({**head, **content}, indent=1) + "\n"


def component(wheel: Path, locked: set[str]) -> Component:
    """One wheel as a component. Ends the program when the lock does not know it."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    said = metadata(wheel)
    name, version = said["Name"], said["Version"]
    if name != OURS and digest not in locked:
        sys.exit(f"{wheel.name} is not in {LOCK.name}: it must not be shipped")
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    return {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": digest}], **_licences(said),
    }  # fmt: skip


def metadata(wheel: Path) -> Message:
    """What a wheel says of itself (core metadata, PyPA)."""
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return BytesHeaderParser().parsebytes(archive.read(name))


def _licences(said: Message) -> Component:
    """An SPDX expression where there is one, else the words of the licence in one line, or of the classifiers."""
    if expression := said.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    words = [text.rpartition(" :: ")[2] for text in said.get_all("Classifier", []) if text.startswith("License ::")]
    plain = said.get("License", "").strip().partition("\n")[0]
    names = words or ([plain] if plain else [])
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _moment() -> str:
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])))
