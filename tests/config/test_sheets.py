"""Lists in CSV, as spreadsheets write them; every fault is named by row and column."""

from pathlib import Path

import pytest

from gateway.config.load import load_written
from tests.config.many import bare, said, write
from tests.config.tables import Models, PumpConfig


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sheets_are_read_as_spreadsheets_write_them(tmp_path: Path, delimiter: str, mark: str, end: str) -> None:
    rows = [["name", "at", "description"], [" a ", "010", '"x, y; z"'], ["", "", ""], ["b", "0x10", "007"]]
    sheet = mark + "".join(delimiter.join(row) + end for row in rows)
    text = "device: one\nadapter: pump\nconnect: tcp://a\ntags: !csv one.csv\n"
    main = write(tmp_path, bare(**{"devices.d/one.yaml": text}))
    (tmp_path / "devices.d/one.csv").write_bytes(sheet.encode())
    (found,) = load_written(main, Models(), {})[0].devices
    assert isinstance(found, PumpConfig)
    assert {name: (tag.at, tag.description) for name, tag in found.tags.items()} == {
        "a": (10, "x, y; z"), "b": (16, "007"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (b"nme,at\na,1\n", "1:1: no column 'name'; is 'nme' meant to be it?"),
        (b"", "1:1: the first row is empty; it names the options, the first of them 'name'"),
        (b"name,at,at\na,1,2\n", "1:3: at: is written twice; first at 1:2"),
        (b"name,at\na,1\na,2\n", "3:1: a: is written twice; first at 2:1"),
        (b"name,at\n,1\n", "2:1: a row without a name"),
        (b"name,at\na,1,2\n", "2:3: a cell under no name of an option (a delimiter too many?)"),
        (b'name,at\na,"1\n', "2:1: not CSV: a quote that is never closed"),
        (b'name,at\na,"1"x\n', '2:1: not CSV: text after a closing quote; write "" for a quote inside'),
        (b"name,unit\na,\xb0C\n", "2:3: byte 0xb0 is not UTF-8 text (save it as CSV UTF-8)"),
        ("name,at\na,1\n".encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
        (b"name,at\na,-1\n", "2:2: tags.a.at: must be 0 or more"),
        (b"name,at\na,1e\n", "2:2: tags.a.at: must be a whole number, not text"),
        (b"name,at\na,\n", "2:1: tags.a.at: is missing (Address)"),
        (b"name,att\na,1\n", "1:2: att: unknown key"),
    ],
)  # fmt: skip
def test_a_fault_in_a_sheet_is_named_by_row_and_column(tmp_path: Path, sheet: bytes, expected: str) -> None:
    text = "device: one\nadapter: pump\nconnect: tcp://a\ntags: !csv one.csv\n"
    content = bare(**{"devices.d/one.yaml": text})
    write(tmp_path, content)
    (tmp_path / "devices.d/one.csv").write_bytes(sheet)
    found = said(tmp_path, content)
    assert [
        line
        for line in found
        if line.removeprefix("devices.d/one.csv: ").removeprefix("devices.d/one.csv:").startswith(expected)
    ], found
