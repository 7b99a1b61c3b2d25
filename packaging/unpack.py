"""Makes an environment of wheels with python3 alone: no pip, no network, nothing to build.

    python3 unpack.py WHEELS FOLDER [--python /usr/bin/python3.11]

A wheel is a zip archive whose files belong into site-packages (PEP 427), an environment a folder with a pyvenv.cfg
(PEP 405). Whoever calls has compared the wheels with their hashes. Python's own files lie where --python says.
"""  # noqa: INP001 - a script that is copied into the offline bundle

import argparse
import configparser
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

PURE = ("purelib", "platlib")  # folders of NAME.data/ that belong into site-packages too


def main() -> None:
    """Unpack all, then the commands of Fieldgate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", type=Path, default=Path(os.path.realpath(sys.executable)))
    parser.add_argument("--at", type=Path, help="where the folder will lie (default: where it is)")
    args = parser.parse_args()
    folder, at = args.folder, (args.at or args.folder).absolute()
    site = environment(folder, args.python)
    for wheel in sorted(args.wheels.glob("*.whl")):
        unpack(wheel, site)
    for name, target in commands(site):
        script(folder / "bin" / name, at / "bin/python", target)


def environment(folder: Path, python: Path) -> Path:
    """An empty environment in `folder`; its site-packages."""
    version = python.name.removeprefix("python")
    site = folder / "lib" / f"python{version}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "pyvenv.cfg").write_text(
        f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    for name in ("python", "python3"):
        link = folder / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(python if name == "python" else "python")
    return site


def unpack(wheel: Path, site: Path) -> None:
    """The files of one wheel. What it brings beside modules (commands, headers) is not needed here."""
    with ZipFile(wheel) as archive:
        for one in archive.infolist():
            name = inside(one.filename)
            if name is None or one.is_dir():
                continue
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(one))


def inside(name: str) -> str | None:
    """Where a file of a wheel lies in site-packages; None where it does not belong there."""
    parts = name.split("/")
    if ".." in parts or name.startswith("/"):
        sys.exit(f"{name}: no wheel of ours")
    if not parts[0].endswith(".data"):
        return name
    return "/".join(parts[2:]) if parts[1] in PURE else None


def commands(site: Path) -> Iterator[tuple[str, str]]:
    """(name, module:function) of each command of Fieldgate."""
    (table,) = site.glob("fieldgate-*.dist-info/entry_points.txt")
    entries = configparser.ConfigParser()
    entries.read_string(table.read_text())
    yield from entries["console_scripts"].items()


def script(path: Path, python: Path, target: str) -> None:
    """A command that calls `target` by the environment's own Python."""
    module, _, function = target.partition(":")
    path.write_text(f"#!{python}\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n")
    path.chmod(0o755)


if __name__ == "__main__":
    main()
