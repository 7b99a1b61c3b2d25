"""The files of a release: made once by the script that makes them, then looked at, installed and tampered with."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway import __version__
from gateway.models.signing import generate
from tests.packaging.house import ROOT, call, clean
from tests.packaging.test_locks import pins

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROCESSOR = os.uname().machine
MANUAL = f"/opt/fieldgate/lib/python{PYTHON}/site-packages/gateway/manual"
STEM = f"fieldgate-{__version__}-offline-python{PYTHON}-{PROCESSOR}"
WHEELS = (ROOT / "locks/wheels.txt").read_text()
# A namespace of its own has a loopback that is down (netdevice(7): SIOCSIFFLAGS, IFF_UP | IFF_RUNNING).
LOOPBACK = (
    "import fcntl, socket, struct;"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41))"
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a release is made, and installed


class Release(NamedTuple):
    """Where its files lie, and the public key."""

    folder: Path
    public: Path

    def one(self, pattern: str) -> Path:
        (path,) = self.folder.glob(pattern)
        return path


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release for this Python and processor, signed."""
    folder = tmp_path_factory.mktemp("release")
    private, public, _ = generate()
    (folder / "key").write_bytes(private)
    (folder / "release.pub").write_bytes(public)
    platform = {"PLATFORMS": f"{PYTHON}:{PROCESSOR}", "PY": sys.executable}
    words = [ROOT / "packaging/release", folder / "out", folder / "key"]
    subprocess.run(words, cwd=ROOT, env=clean(**platform), capture_output=True, timeout=250.0, check=True)
    return Release(folder / "out", folder / "release.pub")


@pytest.fixture(scope="session")
def bundle(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline bundle, unpacked."""
    folder = tmp_path_factory.mktemp("offline")
    with tarfile.open(release.one("*-offline-*.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return folder / STEM


def offline(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where there is no network but the loopback. PATH begins with our own Python."""
    path = os.pathsep.join([str(Path(os.path.realpath(sys.executable)).parent), os.environ["PATH"]])
    inner = ["sh", "-ec", '"$0" -c "$1"; shift; exec "$@"', sys.executable, LOOPBACK]
    return subprocess.run(
        ["unshare", "-rn", *inner, *words],
        cwd=cwd, env={**clean(), "PATH": path}, capture_output=True, text=True, timeout=110.0, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def installed_offline(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was made without the network, in the place of an older one."""
    prefix = tmp_path_factory.mktemp("prefix") / "fieldgate"
    (prefix / "lib").mkdir(parents=True)
    (prefix / "lib/left-over").write_text("of the old version")
    done = offline(bundle / "install.sh", "--prefix", prefix, cwd=bundle)
    assert done.returncode == 0, done.stdout + done.stderr
    return prefix


# -- lock and bill of materials ----------------------------------------------------------------------------------------


def entries() -> Iterator[tuple[str, list[str]]]:
    """(name==version, hashes) of the lock with hashes."""
    for text in re.split(r"\n(?! )", WHEELS.strip()):
        if not text.startswith("#"):
            yield text.split()[0], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", text)


def test_the_lock_with_hashes_is_the_lock_and_every_line_has_one() -> None:
    named = dict(entries())
    run = {f"{name}=={version}" for name, version in pins("run.txt").items()}
    found = {re.sub(r"[-_.]+", "-", line).lower() if "==" not in line else line for line in named}
    spelt = {f"{re.sub(r'[-_.]+', '-', line.split('==')[0]).lower()}=={line.split('==')[1]}" for line in found}
    building = {"editables", "hatchling", "pathspec", "pluggy", "trove-classifiers"}
    assert spelt == {line for line in run if line.split("==")[0] not in building}
    assert [line for line, hashes in named.items() if not hashes] == []


def test_what_needs_a_compiler_has_a_wheel_for_every_python_and_processor() -> None:
    hashes = {line.split("==")[0]: len(found) for line, found in entries()}
    assert all(hashes[name] >= 6 for name in ("numpy", "onnxruntime", "orjson", "uvloop")), hashes


def test_the_bill_of_materials_names_every_wheel_and_nothing_else(release: Release, bundle: Path) -> None:
    document: dict[str, Any] = json.loads(release.one("sbom-*.cdx.json").read_text())
    # CycloneDX 1.6, required: bomFormat, specVersion; of each component: type, name; of a hash: alg, content.
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"])
    ours = document["metadata"]["component"]
    assert (ours["type"], ours["name"], ours["version"]) == ("application", "fieldgate", __version__)
    parts = document["components"]
    assert {part["type"] for part in parts} == {"library"}
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", part["purl"]) for part in parts)
    assert len({part["bom-ref"] for part in parts}) == len(parts)
    assert all(part.get("licenses") for part in parts), [part["name"] for part in parts if not part.get("licenses")]
    wheels = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (bundle / "wheels").glob("*.whl")}
    assert {part["hashes"][0]["content"] for part in [*parts, ours]} == wheels
    assert document["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in parts]


def test_a_wheel_that_the_lock_does_not_know_is_not_shipped(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle / "wheels", tmp_path / "wheels")
    (wheel,) = (tmp_path / "wheels").glob("structlog-*.whl")
    with wheel.open("ab") as file:
        file.write(b"\0")
    done = subprocess.run(
        [sys.executable, ROOT / "packaging/sbom.py", tmp_path / "wheels"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "structlog" in done.stderr
    assert done.stdout == ""


# -- signature ---------------------------------------------------------------------------------------------------------


def signed(release: Release, sums: Path) -> bool:
    """What the documentation has people do, with openssl alone."""
    words: list[str | Path] = ["-verify", "-pubin", "-inkey", release.public, "-rawin", "-in", sums]
    words += ["-sigfile", release.folder / "SHA256SUMS.sig"]
    return subprocess.run(["openssl", "pkeyutl", *words], capture_output=True, check=False).returncode == 0


def test_the_checksums_are_signed_and_hold(release: Release, tmp_path: Path) -> None:
    sums = release.folder / "SHA256SUMS"
    assert signed(release, sums)
    call("sha256sum", "--check", "--strict", "--quiet", sums, cwd=release.folder)
    named = {line.split("  ")[1] for line in sums.read_text().splitlines()}
    assert named == {path.name for path in release.folder.iterdir()} - {"SHA256SUMS", "SHA256SUMS.sig"}
    (tmp_path / "SHA256SUMS").write_text(sums.read_text().replace("a", "b", 1))
    assert not signed(release, tmp_path / "SHA256SUMS")


# -- .deb --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def deb(release: Release) -> dict[str, str]:
    """Mode of every file of the package, by its path."""
    lines = call("dpkg-deb", "--contents", release.one("*.deb"), cwd=release.folder).splitlines()
    found = (line.split(maxsplit=5) for line in lines)
    return {words[5].removeprefix("."): f"{words[0]} {words[1]}" for words in found}


def test_the_package_says_what_it_needs(release: Release) -> None:
    said = call("dpkg-deb", "--field", release.one("*.deb"), cwd=release.folder)
    assert f"Version: {__version__}\n" in said
    assert f"python{PYTHON}," in said
    assert "@" not in said.replace("maintainers@", "")


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/opt/fieldgate/bin/fieldgate", "-rwxr-xr-x root/root"),
        ("/usr/bin/fieldgate -> /opt/fieldgate/bin/fieldgate", "lrwxrwxrwx root/root"),
        (f"/opt/fieldgate/bin/python -> /usr/bin/python{PYTHON}", "lrwxrwxrwx root/root"),
        ("/usr/lib/systemd/system/fieldgate.service", "-rw-r--r-- root/root"),
        ("/usr/lib/systemd/system/fieldgate@.service", "-rw-r--r-- root/root"),
        ("/etc/fieldgate/fieldgate.yaml", "-rw-r--r-- root/root"),
        ("/etc/fieldgate/devices.d/", "drwxr-xr-x root/root"),
        ("/etc/fieldgate/schema -> /usr/share/doc/fieldgate/examples/schema", "lrwxrwxrwx root/root"),
        ("/etc/fieldgate/secrets/", "drwx------ root/root"),
        ("/usr/share/doc/fieldgate/copyright", "-rw-r--r-- root/root"),
        (f"/usr/share/doc/fieldgate/html -> {MANUAL}", "lrwxrwxrwx root/root"),
        (f"{MANUAL}/search.html", "-rw-r--r-- root/root"),
        ("/usr/share/doc/fieldgate/examples/grafana/fieldgate.json", "-rw-r--r-- root/root"),
        ("/usr/share/doc/fieldgate/examples/serial.conf", "-rw-r--r-- root/root"),
    ],
)
def test_the_package_puts_a_file_where_it_belongs(deb: dict[str, str], path: str, mode: str) -> None:
    assert deb[path] == mode


def test_the_package_holds_nothing_elsewhere_and_nothing_compiled(deb: dict[str, str]) -> None:
    homes = ("/opt/fieldgate/", "/usr/bin/fieldgate", "/usr/lib/systemd/system/fieldgate", "/usr/share/doc/fieldgate/")
    files = [path for path, mode in deb.items() if not mode.startswith("d")]
    assert [path for path in files if not path.startswith((*homes, "/etc/fieldgate/"))] == []
    assert [path for path in files if path.endswith(".pyc")] == []


def test_only_the_main_file_is_a_configuration_file_and_the_scripts_are_sound(release: Release, tmp_path: Path) -> None:
    call("dpkg-deb", "--control", release.one("*.deb"), tmp_path / "control", cwd=tmp_path)
    assert (tmp_path / "control/conffiles").read_text() == "/etc/fieldgate/fieldgate.yaml\n"
    for name in ("postinst", "prerm", "postrm"):
        call("sh", "-n", tmp_path / "control" / name, cwd=tmp_path)
        assert os.access(tmp_path / "control" / name, os.X_OK)


def test_the_package_built_again_is_the_same_to_the_bit(release: Release, bundle: Path, tmp_path: Path) -> None:
    call(ROOT / "packaging/deb", bundle / "wheels", tmp_path, cwd=tmp_path)
    first, second = release.one("*.deb"), next(tmp_path.glob("*.deb"))
    assert first.read_bytes() == second.read_bytes()


# -- offline bundle ----------------------------------------------------------------------------------------------------


def test_what_is_installed_without_network_runs_the_demo_there(installed_offline: Path, tmp_path: Path) -> None:
    """Broker, plant and gateway are up and the assets learn; a whole demo takes a minute more (.ci/nightly)."""
    report = offline(installed_offline / "bin/fieldgate", "plugins", "--verify", "--json", cwd=tmp_path)
    assert [row["name"] for row in json.loads(report.stdout)["plugins"]] == ["modbus", "opcua", "sim"]
    done = offline(installed_offline / "bin/fieldgate", "demo", "--for", "10s", cwd=tmp_path)
    assert "no fault was named and repaired in 10 s; the last phase was 'learning'" in done.stderr, done.stderr


def test_what_is_installed_without_network_has_its_documentation(installed_offline: Path, tmp_path: Path) -> None:
    done = offline(installed_offline / "bin/fieldgate", "docs", "--json", cwd=tmp_path)
    index = Path(json.loads(done.stdout)["index"].removeprefix("file://"))
    assert index.is_relative_to(installed_offline)
    assert (index.parent / "first-hour.html").is_file()


def test_there_really_is_no_network(tmp_path: Path) -> None:
    done = offline(sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80), 2)", cwd=tmp_path)
    assert "Network is unreachable" in done.stderr


def test_the_libraries_are_those_of_the_lock(installed_offline: Path, tmp_path: Path) -> None:
    words = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    found = offline(installed_offline / "bin/python", "-c", words, cwd=tmp_path).stdout.split()
    assert {line for line in found if not line.startswith("fieldgate==")} == dict(entries()).keys()


def test_an_older_installation_is_replaced_whole(installed_offline: Path) -> None:
    assert not (installed_offline / "lib/left-over").exists()
    assert [path.name for path in installed_offline.parent.iterdir()] == ["fieldgate"]


def tampered(bundle: Path, folder: Path, file: str, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """What the installer says to a bundle in which one file was changed."""
    shutil.copytree(bundle, folder / "copy")
    path = folder / "copy" / file
    path.write_text(path.read_text().replace(old, new, 1))
    return offline(folder / "copy/install.sh", "--prefix", folder / "prefix", cwd=folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("wheels/SHA256SUMS", "a", "b", "a wheel is not what it was"),
        ("wheels/PLATFORM", PROCESSOR, "vax", "this bundle is for vax"),
        ("wheels/PLATFORM", PYTHON, "3.1", "this bundle is for Python 3.1"),
    ],
)
def test_a_bundle_that_is_not_for_this_machine_or_not_whole_changes_nothing(
    bundle: Path, tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:  # fmt: skip
    done = tampered(bundle, tmp_path, file, old, new)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "prefix").exists()


def test_removing_takes_it_away(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/fieldgate").touch(mode=0o755)
    done = offline(bundle / "install.sh", "--prefix", prefix, "--remove", cwd=bundle)
    assert done.returncode == 0, done.stderr
    assert not prefix.exists()


# -- container ---------------------------------------------------------------------------------------------------------


def test_the_container_is_no_root_and_asks_for_its_health() -> None:
    lines = (ROOT / "packaging/Containerfile").read_text().splitlines()
    steps = [line.split()[0] for line in lines if re.match(r"[A-Z]+ ", line)]
    assert steps[-1] == "CMD"
    assert steps.index("USER") > max(i for i, step in enumerate(steps) if step in ("RUN", "COPY"))
    (user,) = [line.split()[1] for line in lines if line.startswith("USER")]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert "HEALTHCHECK" in steps
    assert any("STATE_DIRECTORY=/var/lib/fieldgate" in line for line in lines)  # safe mode and state rest on it
