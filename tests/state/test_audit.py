"""The audit is a chain: whoever changes, takes out, adds or moves a record breaks it there; trimming it does not."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.state.audit import AuditError, AuditLog, KnownIdError, read, seal, verify

MANY = 20


def content(number: int, kind: str = "outcome") -> dict[str, object]:
    return {"kind": kind, "id": f"c{number}", "tag": "plc.speed", "value": number / 3, "text": "3 m³/h"}


def filled(path: Path, count: int = MANY, most: int = 10_000) -> Path:
    log = AuditLog(path, most)
    for number in range(count):
        log.append([content(number)])
    log.close()
    return path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def reseal(path: Path) -> None:
    """Change record 7 as somebody would who knows how seals are made: seal it anew, and stop there."""
    with closing(sqlite3.connect(path)) as db:
        ((before,),) = db.execute("SELECT seal FROM audit WHERE number = 6").fetchall()
        db.execute("UPDATE audit SET body = '{}', seal = ? WHERE number = 7", (seal(before, 7, "{}"),))
        db.commit()


def test_a_chain_as_it_was_written_is_whole_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    for _ in range(3):
        filled(path, 5)
    assert verify(path) == (15, [])
    assert [record.number for record in read(path)] == list(range(1, 16))
    assert [record.number for record in read(path, most=2)] == [14, 15]
    assert read(path)[0].content == content(0)


SWAP = (
    "CREATE TABLE x AS SELECT * FROM audit WHERE number IN (5, 6)",
    "UPDATE audit SET (body, seal, id) = (SELECT body, seal, id FROM x WHERE number = 6) WHERE number = 5",
    "UPDATE audit SET (body, seal, id) = (SELECT body, seal, id FROM x WHERE number = 5) WHERE number = 6",
    "DROP TABLE x",
)
INSERT = (
    "UPDATE audit SET number = number + 100 WHERE number >= 8",
    "UPDATE audit SET number = number - 99 WHERE number >= 100",
    "INSERT INTO audit SELECT 8, kind, '', '{\"kind\":\"outcome\"}', seal FROM audit WHERE number = 7",
)


@pytest.mark.parametrize(
    ("how", "where"),
    [
        (lambda p: change(p, "UPDATE audit SET body = replace(body, 'speed', 'spee') WHERE number = 7"), {7}),
        (lambda p: change(p, "UPDATE audit SET seal = 'x' || substr(seal, 2) WHERE number = 7"), {7, 8}),
        (lambda p: change(p, "UPDATE audit SET id = 'c99' WHERE number = 7"), {7}),
        (lambda p: change(p, "UPDATE audit SET kind = 'refused' WHERE number = 7"), {7}),
        (lambda p: change(p, "DELETE FROM audit WHERE number = 7"), {7}),
        (lambda p: change(p, "DELETE FROM audit WHERE number <= 7"), {1}),
        (lambda p: change(p, "DELETE FROM audit WHERE number > 15"), {16}),
        (lambda p: change(p, *SWAP), {5, 6, 7}),
        (lambda p: change(p, *INSERT), set(range(8, 22))),  # all behind it stand elsewhere
        (reseal, {7, 8}),
    ],
    ids=["changed", "seal", "id", "kind", "taken out", "first ones", "last ones", "swapped", "added", "resealed"],
)  # fmt: skip
def test_what_was_done_to_a_record_is_found_there(
    tmp_path: Path, how: Callable[[Path], object], where: set[int]
) -> None:
    path = filled(tmp_path / "audit.db")
    how(path)
    found = {finding.number for finding in verify(path)[1]}
    assert found
    assert found <= where, verify(path)


@pytest.mark.parametrize("seed", range(30))
def test_any_one_changed_character_is_found(tmp_path: Path, seed: int) -> None:
    path, chance = filled(tmp_path / "audit.db"), random.Random(seed)
    number = chance.randint(1, MANY)
    with closing(sqlite3.connect(path)) as db:
        ((body,),) = db.execute("SELECT body FROM audit WHERE number = ?", (number,)).fetchall()
        at = chance.randrange(len(body))
        other = body[:at] + chr(ord(body[at]) ^ (1 << chance.randrange(5))) + body[at + 1 :]
        db.execute("UPDATE audit SET body = ? WHERE number = ?", (other, number))
        db.commit()
    assert number in {finding.number for finding in verify(path)[1]}


def test_a_chain_that_was_forged_whole_lacks_the_seals_that_were_noted(tmp_path: Path) -> None:
    noted = {record.number: record.seal for record in read(filled(tmp_path / "true.db"))[9:10]}
    log = AuditLog(tmp_path / "forged.db", 10_000)
    for number in range(MANY):
        log.append([content(number) | ({"by": "nobody"} if number == 4 else {})])
    log.close()
    assert verify(tmp_path / "true.db", noted) == (MANY, [])
    assert verify(tmp_path / "forged.db")[1] == []
    assert [finding.number for finding in verify(tmp_path / "forged.db", noted)[1]] == [10]


def test_the_oldest_go_and_the_rest_is_whole(tmp_path: Path) -> None:
    path = filled(tmp_path / "audit.db", 1000, most=200)
    records = read(path)
    assert 200 <= len(records) <= 310
    assert sum(record.content["kind"] == "trimmed" for record in records) >= 1
    assert verify(path) == (len(records), [])
    change(path, "DELETE FROM audit WHERE number < (SELECT MIN(number) + 3 FROM audit)")
    assert [finding.number for finding in verify(path)[1]] == [1]


def test_an_intent_with_a_known_id_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.db", 10_000)
    log.append([content(1, "intent")])
    with pytest.raises(KnownIdError):
        log.append([content(2, "intent"), content(1, "intent")])
    log.append([content(1), content(3)])
    assert [record["id"] for record in log.ends(10)] == ["c1", "c3"]
    assert log.ends(1) == [content(3)]
    log.close()
    assert verify(tmp_path / "audit.db") == (3, [])


def test_when_a_tag_was_written_last_is_known(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.db", 10_000)
    log.append([content(n, "intent") | {"at": 100 + n, "tag": f"t{n % 2}"} for n in range(4)])
    assert log.latest() == {"t0": 102, "t1": 103}
    log.close()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="not there"):
        verify(tmp_path / "audit.db")
    (tmp_path / "audit.db").write_bytes(b"no database" * 1000)
    for attempt in (verify, read, lambda path: AuditLog(path, 1000)):
        with pytest.raises(AuditError, match=r"audit\.db"):
            attempt(tmp_path / "audit.db")
    change(filled(tmp_path / "newer.db"), "PRAGMA user_version=99")
    with pytest.raises(AuditError, match="newer"):
        AuditLog(tmp_path / "newer.db", 1000)
