"""`fieldgate import`: what it writes and refuses, whatever it is given: hostile files, secrets, odd names."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.importing.foreign import MAX_BYTES, Foreign
from gateway.importing.peers import READERS
from gateway.sdk.errors import ConfigError
from tests.importing.site import CANARY, Site, tables
from tests.importing.test_kepware import SHEET, project, tag
from tests.importing.test_modpoll import EXAMPLE
from tests.importing.test_neuron import node
from tests.importing.test_neuron import tag as neuron_tag
from tests.importing.test_others import BENTHOS, DEVICES, PROFILE, PUBLISHED
from tests.importing.test_telegraf import METRIC_SAMPLE, REGISTER_SAMPLE, REQUEST_SAMPLE
from tests.importing.test_telegraf_opcua import OPCUA_SAMPLE
from tests.importing.test_thingsboard import OPCUA, SAMPLE

CONNECT = ["--connect", "tcp://10.0.0.7:502"]
SAMPLES: list[tuple[str, str, str]] = [
    ("telegraf", "register.conf", REGISTER_SAMPLE),
    ("telegraf", "request.conf", REQUEST_SAMPLE),
    ("telegraf", "metric.conf", METRIC_SAMPLE),
    ("telegraf", "opcua.conf", OPCUA_SAMPLE),
    ("thingsboard", "modbus.json", json.dumps(SAMPLE)),
    ("thingsboard", "opcua.json", json.dumps(OPCUA)),
    ("neuron", "nodes.json", node([neuron_tag("a", "1!40001", "int16")])),
    ("opcpublisher", "pn.json", json.dumps(PUBLISHED)),
    ("kepware", "project.json", project([tag("a", "40001", 5)])),
    ("kepware", "sheet.csv", SHEET),
    ("modpoll", "example.csv", EXAMPLE),
    ("benthos", "benthos.yaml", BENTHOS.replace("PORT", "502")),
    ("edgex", "profile.yml", PROFILE + DEVICES.replace("PORT", "502")),
]
NAMES = [f"{kind}-{name}" for kind, name, _ in SAMPLES]


def test_there_is_a_reader_for_each_peer() -> None:
    assert {kind for kind, _, _ in SAMPLES} == set(READERS)


@pytest.mark.parametrize(("kind", "name", "text"), SAMPLES, ids=NAMES)
def test_the_same_file_gives_the_same_bytes(site: Site, kind: str, name: str, text: str) -> None:
    folder = site.home / "devices.d"
    site.run(kind, {name: text}, *CONNECT)
    first = {path.name: path.read_bytes() for path in folder.glob("*")}
    site.run(kind, {name: text}, *CONNECT, "--force")
    assert first
    assert {path.name: path.read_bytes() for path in folder.glob("*")} == first


@pytest.mark.parametrize(("kind", "name", "text"), SAMPLES, ids=NAMES)
def test_a_file_that_is_cut_or_damaged_gives_one_clear_answer(
    site: Site, kind: str, name: str, text: str, tmp_path: Path
) -> None:
    chance = random.Random(f"{kind}{name}")
    path = tmp_path / name
    for _ in range(25):
        raw = bytearray(text.encode())
        match chance.randrange(4):
            case 0:
                del raw[chance.randrange(len(raw)) :]
            case 1:
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            case 2:
                at = chance.randrange(len(raw))
                raw[at:at] = chance.choice([b"{", b"]", b'"', b"\0", b"99999999999999999999", b"null", b"-1", b"\xff"])
            case _:
                start = chance.randrange(len(raw))
                del raw[start : start + chance.randrange(1, 40)]
        path.write_bytes(raw)
        begun = time.monotonic()
        code = main(["import", kind, str(path), *CONNECT, "--json"])
        assert time.monotonic() - begun < 5
        out, err = site.capsys.readouterr()
        assert code in (0, 1, 78)
        assert (code == 78) is (not out), (bytes(raw), err)
        assert "Traceback" not in err


WRONG: list[object] = [None, True, 7, -1.5, "x", "", [], {}, [[]], [None], {"a": {"a": 1}}, 10**30, "\u2028${x}"]


@pytest.mark.parametrize(
    ("kind", "name", "text"), [one for one in SAMPLES if one[1].endswith(".json")], ids=lambda one: str(one)[:14]
)
def test_a_value_of_another_type_anywhere_is_told_and_the_rest_is_taken(
    site: Site, kind: str, name: str, text: str
) -> None:
    """Each value of the sample in turn is something else; what is written always passes `check`."""
    data, chance = json.loads(text), random.Random(name)
    places: list[tuple[object, object]] = []

    def walk(value: object) -> None:
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            places.append((value, key))
            walk(inner)

    walk(data)
    for holder, key in chance.sample(places, min(60, len(places))):
        kept = holder[key]  # type: ignore[index]
        holder[key] = chance.choice(WRONG)  # type: ignore[index]
        done = site.run(kind, {name: json.dumps(data)}, *CONNECT, "--force", "--namespace", "2")
        assert done.code in (0, 1, 78), done.err
        assert "Traceback" not in done.err
        if done.code != 78 and done.devices:
            assert site.checks()
        for path in (site.home / "devices.d").glob("*"):
            path.unlink()
        holder[key] = kept  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("big.json", b"[" + b" " * MAX_BYTES + b"]", "larger than 16 MiB"),
        ("deep.json", b"[" * 500 + b"]" * 500, "nested deeper"),
        ("deeper.json", b"[" * 100_000, "deep.json: not JSON|deeper.json: not JSON|nested"),
        ("deep.conf", b"a = " + b"[" * 3000 + b"]" * 3000, "nested|not TOML"),
        ("deep.yaml", b"[" * 500 + b"]" * 500, "nested deeper"),
        ("bomb.yaml", b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(8)), "more than"),
        ("utf16.json", "{}".encode("utf-16"), "UTF-16"),
        ("latin.csv", "device,Öl,1".encode("latin-1"), "not UTF-8"),
        ("nul.csv", b"device,\0,1", "control character"),
        ("digits.conf", b"a = " + b"9" * 10_000, "not TOML"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_sentence(name: str, raw: bytes, words: str) -> None:
    file = Foreign(name, raw)
    readers: dict[str, Callable[[], object]] = {
        "json": file.json, "conf": file.toml, "yaml": file.yaml, "csv": lambda: list(file.rows())}  # fmt: skip
    begun = time.monotonic()
    with pytest.raises(ConfigError) as error:
        readers[name.rpartition(".")[2]]()
    assert time.monotonic() - begun < 10
    assert any(word in str(error.value) for word in words.split("|")), str(error.value)


def test_files_that_are_there_stay_unless_forced(site: Site) -> None:
    folder = site.home / "devices.d"
    folder.mkdir()
    (folder / "Device.yaml").write_text("device: mine\nadapter: modbus\n")
    text = REGISTER_SAMPLE + REGISTER_SAMPLE.replace('"Device"', '"Other"')
    done = site.run("telegraf", {"t.conf": text})
    assert done.code == 78
    assert "Device.yaml is there already" in done.err
    assert sorted(path.name for path in folder.glob("*")) == ["Device.yaml"]  # all or nothing
    assert site.run("telegraf", {"t.conf": text}, "--force").code == 0
    assert tables(folder).keys() == {"Device", "Other"}


def test_without_a_folder_it_only_reports(site: Site) -> None:
    path = site.home / "t.conf"
    path.write_text(REGISTER_SAMPLE)
    assert main(["import", "telegraf", str(path)]) == 0
    out = site.capsys.readouterr().out
    assert "Device: modbus, 9 tags" in out
    assert "9 mapped, 0 changed in meaning, 0 not supported, 0 secrets to supply" in out
    assert sorted(one.name for one in site.home.iterdir()) == ["t.conf"]


def test_the_report_for_people_says_where_and_groups_what_is_the_same(site: Site) -> None:
    path = site.home / "request.conf"
    path.write_text(REQUEST_SAMPLE + "[[inputs.cpu]]\n[[outputs.file]]\n")
    assert main(["import", "telegraf", str(path), "-o", str(site.home / "devices.d")]) == 1
    out, err = site.capsys.readouterr()
    assert f"{site.home}/devices.d/Device-1.yaml: modbus, " in out
    assert "changed in meaning:\n" in out
    assert "  request.conf: inputs.cpu: inputs.cpu is not read here\n" in out
    assert "--accept-loss" in err
    assert main(["import", "telegraf", str(path), "--verbose", "--accept-loss"]) == 0
    assert (
        "  request.conf: inputs.modbus[0].request[0].fields[0]: Device-1.motor1_run\n" in site.capsys.readouterr().out
    )


def test_names_are_safe_unique_and_recognisable(site: Site) -> None:
    names = ["Öl Temp.", "Öl Temp.", "Öl/Temp", "温度", "a" * 90, "a" * 91, "../../etc", "${x}", ""]
    tags = [{**neuron_tag(name, f"1!4{at + 1:05}", "int16"), "description": "${x} \u2028 ü 😀"}
            for at, name in enumerate(names)]  # fmt: skip
    done = site.run("neuron", {"n.json": node(tags)})
    assert (done.code, site.checks()) == (0, True)
    assert list(done.tags)[:5] == ["Ol_Temp", "g1_Ol_Temp", "g1_Ol_Temp-2", "unnamed", "a" * 64]
    assert len(done.tags) == len(names)
    assert {one["at"] for one in done.tags.values()} == {f"holding:{at}" for at in range(len(names))}
    assert done.tags["etc"]["description"] == "$${x} \u2028 ü 😀"


def test_a_canary_is_nowhere_whatever_the_peer(site: Site) -> None:
    for kind, name, text in SAMPLES:
        done = site.run(kind, {name: text}, *CONNECT, "--force", "--namespace", "2", "--accept-loss", "--verbose")
        written = "".join(path.read_text() for path in (site.home / "devices.d").glob("*"))
        assert CANARY not in written + done.out + done.err
        assert CANARY not in json.dumps(done.notes)


def test_ten_thousand_tags_are_a_matter_of_seconds(site: Site) -> None:
    tags = [neuron_tag(f"t{at}", f"1!4{at + 1:05}", "int16") for at in range(10_000)]
    begun = time.monotonic()
    done = site.run("neuron", {"n.json": node(tags)})
    assert done.code == 0
    assert len(done.tags) == 10_000
    assert time.monotonic() - begun < 20
