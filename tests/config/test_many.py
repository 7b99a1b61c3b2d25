"""Many from one: templates, `for`, sheets and includes; every value keeps its place, every fault is said once."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import references
from gateway.config.expanded import as_json, as_yaml
from gateway.config.files import Library
from gateway.config.fill import Budget
from gateway.config.include import Includer
from gateway.config.load import load_written
from gateway.config.problems import Source
from gateway.config.tree import Document
from gateway.config.yaml import parse
from tests.config.many import MAIN, PUMP, PUMPS, SHEET, WATCHED, bare, files, problems, read, said, write
from tests.config.tables import Models, PumpConfig

USED = "used by device pump-001 (devices.d/pumps.yaml:1) and 2 more"
SERVER = "adapter: server\nurl: x\ntags: {t: {node: i=1}}\n"
ONE = "device: one\nuse: a\n"


def pump(home: Path, text: str, **more: str) -> PumpConfig:
    """The one device that `text` and the files come to."""
    (found,) = read(home, bare(**{"devices.d/one.yaml": text, **more})).devices
    assert isinstance(found, PumpConfig)
    return found


def template(text: str, name: str = "a") -> dict[str, str]:
    return {f"templates/{name}.yaml": text}


# -- what it comes to --------------------------------------------------------------------------------------------------


def test_one_description_gives_many_devices_and_assets(tmp_path: Path) -> None:
    found = read(tmp_path, files())
    assert [device.device for device in found.devices] == ["pump-001", "pump-002", "pump-003"]
    assert [device.connection() for device in found.devices] == [f"tcp://10.0.4.{n}:502" for n in (1, 2, 3)]
    assert found.root.assets["pump-003"].tags == ["pump-003.flow", "pump-003.pressure"]
    assert {path.name for path in found.files} >= {"pump@2.yaml", "pump.csv", "watched.yaml"}


def test_a_sheet_gives_tags_with_the_options_that_its_first_row_names(tmp_path: Path) -> None:
    first = read(tmp_path, files()).devices[0]
    assert isinstance(first, PumpConfig)
    flow, pressure = first.tags["flow"], first.tags["pressure"]
    assert (flow.at, flow.type, flow.unit, flow.range) == (100, "float32", "m³/h", (0.0, 10.0))
    assert (pressure.scale, pressure.description) == (0.01, 'Pressure, behind the "main" pump')
    assert flow.description == "Flow of pump-001"


def test_a_template_without_its_own_users_is_not_read(tmp_path: Path) -> None:
    read(tmp_path, files(**template("[", "unused")))


def test_what_a_device_says_itself_goes_before_its_template(tmp_path: Path) -> None:
    body = "adapter: pump\nconnect: tcp://a\nevery: 1s\ntags: {a: {at: 1, unit: bar}, b: {at: 2}, c: {at: 3}}\n"
    own = ONE + "every: 5s\ntags: {a: {at: 7}, b: , d: {at: 4}}\n"
    found = pump(tmp_path, own, **template(body))
    assert found.every == 5.0
    assert {name: (tag.at, tag.unit) for name, tag in found.tags.items()} == {
        "a": (7, "bar"), "c": (3, ""), "d": (4, ""),
    }  # fmt: skip


def test_a_template_may_use_another(tmp_path: Path) -> None:
    base = (
        'parameters: {host: , unit: bar}\nadapter: pump\nconnect: tcp://${host}\ntags:\n  a: {at: 1, unit: "${unit}"}\n'
    )
    inner = 'parameters: {number: }\nuse: base\nwith: {host: "10.0.0.${number}"}\ntags: {b: {at: 2}}\n'
    found = pump(tmp_path, ONE + "with: {number: 9}\n", **template(base, "base"), **template(inner))
    assert found.connect == "tcp://10.0.0.9"
    assert list(found.tags) == ["a", "b"]
    assert found.tags["a"].unit == "bar"


def test_several_templates_are_laid_over_each_other(tmp_path: Path) -> None:
    one = template("adapter: pump\nevery: 1s\ntags: {a: {at: 1}}\n")
    two = template("adapter: pump\nconnect: tcp://b\ntags: {b: {at: 2}}\n", "b")
    assert list(pump(tmp_path, "device: one\nuse: [a, b]\n", **one, **two).tags) == ["a", "b"]


def test_values_combine_each_with_each_or_come_from_a_sheet(tmp_path: Path) -> None:
    text = PUMPS.replace("pump-${n:03}", "p-${line}-${n}").replace("{n: 1..3}", "{line: [x, y], n: 1..2}")
    found = read(tmp_path, {**files(pumps=text), "fieldgate.yaml": "gateway: {id: a}\n"})
    assert [device.device for device in found.devices] == ["p-x-1", "p-x-2", "p-y-1", "p-y-2"]
    rows = "name;host;place\nnorth;10.0.0.1;hall 1\nsouth;10.0.0.2;\n"
    text = 'device: ${name}\nfor: !csv rows.csv\nuse: pump@2\nwith: {host: "${host}"}\n'
    found = read(tmp_path, {**files(pumps=text), "fieldgate.yaml": "gateway: {id: a}\n", "devices.d/rows.csv": rows})
    assert [device.connection() for device in found.devices] == ["tcp://10.0.0.1:502", "tcp://10.0.0.2:502"]


# -- substitution ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written", "comes_to"),
    [
        ("7", "${x}", 7), ("'7'", "${x}", "7"), ("1.5", "${x}", 1.5), ("true", "${x}", True), ("", "${x}", None),
        ("[1, {a: 2}]", "${x}", [1, {"a": 2}]), ("7", "a${x}b", "a7b"), ("true", "${x}!", "true!"),
        ("7", "${x:03}", "007"),
        ("-7", "${x:04}", "-007"), ("7", "$${x}", "${x}"), ("7", "$x $ {x}", "$x $ {x}"), ("'${x}'", "${x}", "${x}"),
        ("'a: [b, c]'", "${x}", "a: [b, c]"), ("'&a *b !secret c'", "x ${x}", "x &a *b !secret c"),
        ('"1\\nadapter: evil"', "${x}", "1\nadapter: evil"), ("'!secret pump'", "${x}", "!secret pump"),
    ],
)  # fmt: skip
def test_a_parameter_is_a_value_and_never_yaml(tmp_path: Path, given: str, written: str, comes_to: Any) -> None:
    body = f"parameters: {{x: }}\nadapter: broken\nvalue: '{written}'\nother: '${{x}}'\ntags: {{t: {{}}}}\n"
    text = f"device: one\nfor: {{n: [1]}}\nuse: a\nwith:\n  x: {given}\nnumber: ${{n}}\n"
    content = bare(
        **{"devices.d/one.yaml": text.replace("'${x}'", "$${x}") if "'${x}'" in given else text}, **template(body)
    )
    main = write(tmp_path, content)
    _, (_, device) = load_written(main, Models(), {})
    assert device.data["value"] == comes_to
    assert type(device.data["value"]) is type(comes_to)


def test_a_secret_stays_a_reference_through_parameters_and_names(tmp_path: Path) -> None:
    body = 'parameters: {phrase: }\nlogin: {user: me, phrase: "${phrase}"}\nkeys: {a: !secret "${device}"}\n' + SERVER
    text = "device: pump\nuse: a\nwith: {phrase: !secret pump}\n"
    main = write(tmp_path, bare(**{"devices.d/one.yaml": text}, **template(body)))
    found, written = load_written(main, Models(), {})
    assert "c4n4ry" not in repr(found) + as_yaml(written) + repr(as_json(written))
    assert "phrase: !secret pump " in as_yaml(written)


@pytest.mark.parametrize("phrase", ["c4n4ry", "[c4n4ry]", "{a: c4n4ry}"])
def test_a_plain_secret_as_a_parameter_is_refused_and_hidden(tmp_path: Path, phrase: str) -> None:
    body = 'parameters: {pw: , spare: 1}\nlogin: {user: me, phrase: "${pw}"}\n' + SERVER
    text = f"device: one\nuse: a\nwith: {{zz: 1, pw: {phrase}}}\nother: 1\n"
    found = problems(tmp_path, bare(**{"devices.d/one.yaml": text}, **template(body)))
    assert any("must not stand here in plain text" in problem.message for problem in found)
    assert not [problem for problem in found if "c4n4ry" in problem.render()]


def test_a_secret_cannot_be_part_of_a_text_and_its_name_cannot_lead_elsewhere(tmp_path: Path) -> None:
    body = "parameters: {pw: }\nurl: x://${pw}@y\nadapter: server\ntags: {t: {node: i=1}}\n"
    text = "device: one\nuse: a\nwith: {pw: !secret pump}\n"
    assert "not a secret" in said(tmp_path, bare(**{"devices.d/one.yaml": text}, **template(body)))[0]
    body = 'parameters: {who: }\nkeys: {a: !secret "x${who}"}\n' + SERVER
    text = "device: one\nuse: a\nwith: {who: /../../etc/passwd}\n"
    assert "is no name of a secret" in said(tmp_path, bare(**{"devices.d/one.yaml": text}, **template(body)))[0]


# -- what is wrong with it ---------------------------------------------------------------------------------------------

FAULTS = [
    ({"pumps": PUMPS.replace("host:", "hots:")},
     ("devices.d/pumps.yaml:4:8: with.hots: template 'pump@2' has no parameter 'hots' "
      f"(did you mean 'host'?); {USED}")),
    ({"pumps": PUMPS.replace('{host: "10.0.4.${n}"}', "{base: 5}").replace("${n:03}", "${n}")},
     ("devices.d/pumps.yaml:3:6: with.host: is missing (Address of the pump); "
      "used by device pump-1 (devices.d/pumps.yaml:1) and 2 more")),
    ({"pumps": PUMPS.replace("pump@2", "pmup@2")},
     (f"devices.d/pumps.yaml:3:6: use: there is no template 'pmup@2' in templates/ (did you mean 'pump@2'?); {USED}")),
    ({"pump": PUMP.replace("${host}", "${hsot}")},
     (f"templates/pump@2.yaml:6:10: connect: there is no parameter 'hsot' here (did you mean 'host'?); {USED}")),
    ({"pump": PUMP.replace("base: 100", "base: 100\n  spare: 1")},
     ("templates/pump@2.yaml:5:3: parameters.spare: is not used (write ${spare} where it belongs)")),
    ({"pump": PUMP.replace("adapter: pump", "adapter: pmp")},
     (f"templates/pump@2.yaml:5:10: adapter: there is no adapter 'pmp' (did you mean 'pump'?); {USED}")),
    ({"pump": PUMP.replace("default: 1s", "default: 1")},
     ("templates/pump@2.yaml:7:8: every: a duration is a number with a unit: 200ms, 1s, 5min, 2h, 1d, 1w; "
      "used by device pump-001 (templates/pump@2.yaml:3) and 2 more")),
    ({"pump": PUMP.replace("pump.csv", "pmp.csv")},
     ("templates/pump@2.yaml:8:7: tags: there is no file 'pmp.csv'; did you mean 'pump.csv'?")),
    ({"pump": PUMP.replace("pump.csv", "../../x.csv")},
     ("templates/pump@2.yaml:8:7: tags: '../../x.csv' lies outside the folder of fieldgate.yaml; "
      "only files below it are read")),
    ({"pump": PUMP.replace("tcp://${host}:502", "{a: ${host}}")},
     ('templates/pump@2.yaml:6:15: inside { } and [ ] a parameter needs quotes: "${name}"')),
    ({"pump": PUMP + "for: {n: 1..2}\n"},
     (f"templates/pump@2.yaml:9:1: for: belongs to who uses a template; {USED}")),
    ({"pump": PUMP.replace("{default: 1s}", "{dfault: 1s, default: 1s}")},
     ("templates/pump@2.yaml:3:11: parameters.every.dfault: unknown key (did you mean 'default'?)")),
    ({"pump": "- a\n"}, ("templates/pump@2.yaml:1:1: must be a table: parameters, and what a device says")),
    ({"pump": ""}, ("templates/pump@2.yaml:1:1: the template is empty")),
    ({"pump": 'parameters: {host: }\nuse: pump@2\nwith: {host: "${host}"}\n'},
     (f"templates/pump@2.yaml:2:6: use: the template uses itself (pump@2 -> pump@2); {USED}")),
    ({"sheet": SHEET.replace("scale,", "scal,")},
     ("templates/pump.csv:1:5: scal: unknown key (did you mean 'scale'?)")),
    ({"sheet": SHEET.replace("float32", "flaot32")},
     ("templates/pump.csv:2:3: tags.flow.type: must be 'int16', 'float32' or 'uint16', not 'flaot32' "
      f"(did you mean 'float32'?); {USED}")),
    ({"sheet": SHEET.replace("0.01", '"0,01"')},
     (f"templates/pump.csv:3:5: tags.pressure.scale: must be a number, not text (with a point: 0.01); {USED}")),
    ({"pumps": PUMPS.replace("1..3", "1..99999")},
     ("devices.d/pumps.yaml:2:10: for.n: makes 99999; at most 10000 can be made")),
    ({"pumps": PUMPS.replace("n: 1..3", "n: 1..300, m: 1..300")},
     ("devices.d/pumps.yaml:2:6: for: makes 90000; at most 10000 can be made")),
    ({"pumps": PUMPS.replace("1..3", "3..1")},
     ("devices.d/pumps.yaml:2:10: for.n: must be a range that counts up, or a list (1..20, or [a, b, c])")),
    ({"pumps": PUMPS.replace("{n: 1..3}", "5")},
     ("devices.d/pumps.yaml:2:6: for: names no values "
      "(for: {n: 1..20}, for: {line: [a, b]}, or a table of rows by name)")),
    ({"pumps": PUMPS.replace("n: 1..3", "n: 1..3, m: [a]")},
     ("devices.d/pumps.yaml:2:16: for.m: is not used (write ${m} where it belongs)")),
    ({"pumps": PUMPS.replace("-${n:03}", "-${n:3}")},
     ("devices.d/pumps.yaml:1:9: device: '${n:3}' is not understood; write ${name}, or ${n:03} for leading zeros")),
    ({"pumps": PUMPS.replace("pump@2", "{a: 1}")},
     (f"devices.d/pumps.yaml:3:6: use: must be the name of a template, or a list of names; {USED}")),
    ({"pump": PUMP.replace("!csv pump.csv", '{"${base}": {at: 1}, "100": {at: 2}}')},
     (f"templates/pump@2.yaml:8:28: tags.100: is '100', and that stands here already; {USED}")),
    ({"watched": WATCHED.replace("flow", "flw")},
     ("templates/watched.yaml:2:8: tags[0]: device 'pump-001' has no tag 'flw' (did you mean 'flow'?); "
      "used by asset pump-001 (fieldgate.yaml:3) and 2 more")),
    ({"watched": WATCHED.replace("high", "hihg")},
     ("templates/watched.yaml:3:19: alarm.severity: must be 'low', 'medium', 'high' or 'critical', not 'hihg' "
      "(did you mean 'high'?); used by asset pump-001 (fieldgate.yaml:3) and 2 more")),
    ({"main": MAIN.replace("pump-${n:03}:", "pump:")},
     ("fieldgate.yaml:3:3: assets.pump: there is an asset 'pump' already, at fieldgate.yaml:3:3; "
      "used by asset pump (fieldgate.yaml:3)")),
    ({"main": MAIN.replace("use: watched", "alarm: {severity: hihg}")},
     ("fieldgate.yaml:6:11: assets.pump-${n:03}.with: belongs to use, to fill in; "
      "used by asset pump-001 (fieldgate.yaml:3) and 2 more")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_a_fault_is_said_once_with_its_place_and_who_is_concerned(
    tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    found = said(tmp_path, files(**changes))
    assert [line for line in found if line.startswith(expected)], found
    same = [line for line in found if line.split(": ")[0] == expected.split(": ", maxsplit=1)[0]]
    assert len(same) == 1, same


def test_two_templates_that_contradict_each_other_are_both_named(tmp_path: Path) -> None:
    both = {
        **template("adapter: pump\nconnect: tcp://a\ntags: {a: {at: 1}}\n"),
        **template("tags: {a: {at: 2}}\n", "b"),
    }
    text = "device: one\nuse: [a, b]\n"
    (found,) = said(tmp_path, bare(**{"devices.d/one.yaml": text}, **both))
    assert found == (
        "templates/b.yaml:1:16: tags.a.at: another template says otherwise, at templates/a.yaml:3:16 "
        "(say it beside use); used by device one (devices.d/one.yaml:1)"
    )
    assert pump(tmp_path, text + "tags: {a: {at: 3}}\n", **both).tags["a"].at == 3


# -- includes ----------------------------------------------------------------------------------------------------------


def test_an_included_file_stands_where_its_reference_stands(tmp_path: Path) -> None:
    text = "device: one\nadapter: pump\nconnect: tcp://a\ntags: !include tags/more.yaml\n"
    more = {"devices.d/tags/more.yaml": "a: {at: 1}\nb: !include b.yaml\n", "devices.d/tags/b.yaml": "{at: 2}\n"}
    assert {name: tag.at for name, tag in pump(tmp_path, text, **more).tags.items()} == {"a": 1, "b": 2}
    more["devices.d/tags/b.yaml"] = "{at: -2}\n"
    (found,) = said(tmp_path, bare(**{"devices.d/one.yaml": text}, **more))
    assert found == "devices.d/tags/b.yaml:1:6: tags.b.at: must be 0 or more; used by devices.d/one.yaml:1"


def test_a_document_that_is_gone_is_never_taken_for_another_that_has_its_place_in_memory(tmp_path: Path) -> None:
    (tmp_path / "one.inc").write_text("x: 1\n")
    includer = Includer(Library(tmp_path), Budget())
    for _ in range(100):
        (document,) = parse(b"tags: !include one.inc\n", Source("a.yaml", tmp_path))
        includer.resolve(document)
        assert document.data == {"tags": {"x": 1}}
        del document


def test_files_that_include_each_other_are_named(tmp_path: Path) -> None:
    more = {"devices.d/a.inc": "x: !include b.inc\n", "devices.d/b.inc": "x: !include a.inc\n"}
    found = said(tmp_path, bare(**{"devices.d/one.yaml": "device: one\ntags: !include a.inc\n"}, **more))
    assert "devices.d/b.inc:1:4: x: the file includes itself (a.inc -> b.inc -> a.inc)" in found


def test_included_files_may_not_stand_for_millions_of_values(tmp_path: Path) -> None:
    more = {f"{n}.inc": "[" + ", ".join([f"!include {n + 1}.inc"] * 10) + "]\n" for n in range(8)}
    more["8.inc"] = "[" + "1, " * 10 + "]\n"
    found = said(tmp_path, bare(**{"devices.d/one.yaml": "device: one\ntags: !include ../0.inc\n"}, **more))
    assert any("comes to more than 2000000 values" in line for line in found)


def test_tags_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_TAGS", 3000)
    sheet = "name,at\n" + "".join(f"t{n},1\n" for n in range(1001))
    found = said(tmp_path, {**files(sheet=sheet), "fieldgate.yaml": "gateway: {id: a}\n"})
    assert [line for line in found if "brings the tags to 3003; at most 3000 can be configured" in line]


# -- written out -------------------------------------------------------------------------------------------------------


def test_what_is_written_out_reads_as_what_was_loaded_and_names_every_origin(tmp_path: Path) -> None:
    _, written = load_written(write(tmp_path, files()), Models(), {})
    text = as_yaml(written)
    again = parse(text.encode(), Source("x"))
    assert [document.data for document in again] == [document.data | {} for document in written]
    lines = {line.split("#")[0].strip(): line.split("# ")[1] for line in text.splitlines() if "# " in line}
    assert lines["connect: tcp://10.0.4.3:502"] == "templates/pump@2.yaml:6"
    assert lines["every: 1s"] == "templates/pump@2.yaml:7, from templates/pump@2.yaml:3"
    assert lines["scale: 0.01"] == "templates/pump.csv:3:5"
    assert lines["device: pump-001"] == "devices.d/pumps.yaml:1"
    assert not [line for line in text.splitlines() if " # " not in line and not line.endswith((":", "---"))]


def test_what_is_written_out_for_machines_has_path_value_and_place(tmp_path: Path) -> None:
    _, written = load_written(write(tmp_path, files()), Models(), {})
    main, first = as_json(written)[:2]
    assert (main["device"], first["device"]) == (None, "pump-001")
    assert {"path": "tags.pressure.at", "value": 102, "file": "templates/pump.csv", "line": 3, "column": 2} in first[
        "values"
    ]


@pytest.mark.parametrize(
    "value",
    ["NO", "on", "a: b", "a #b", "- a", "", " a", "1", "1.5", "null", "~", '"', "a:", "ß°C", "{a", "\t", "a\nb", "=1"],
)
def test_text_is_quoted_where_it_needs_it(value: str) -> None:
    source = Source("x")
    (document,) = parse(b"a: 1\n", source)
    document.data["a"] = value
    (again,) = parse(as_yaml([document]).encode(), source)
    assert isinstance(again, Document)
    assert again.data == {"a": value}
