"""Records on their way to the audit: in their order, many with one commit, and a bad one alone is refused."""

import asyncio
from pathlib import Path

import pytest

from gateway.operators.audit import Audit
from gateway.state.audit import AuditError, AuditLog, KnownIdError, verify


async def test_what_waits_while_another_is_kept_goes_in_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    append = AuditLog.append

    def counted(self: AuditLog, contents: list[dict[str, object]]) -> object:
        commits.append(len(contents))
        return append(self, contents)

    monkeypatch.setattr(AuditLog, "append", counted)
    audit = Audit(tmp_path / "audit.db", 10_000)
    await audit.open(10)
    kept = await asyncio.gather(*(audit.append({"kind": "refused", "n": n}) for n in range(100)))
    assert [record.content["n"] for record in kept] == list(range(100))
    assert [record.number for record in kept] == list(range(1, 101))
    assert commits == [1, 99]
    await audit.close()
    assert await asyncio.to_thread(verify, tmp_path / "audit.db") == (100, [])


async def test_a_known_id_among_many_is_refused_alone(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.db", 10_000)
    await audit.open(10)
    ids = ["a", "b", "a", "c"]
    kept = await asyncio.gather(
        *(audit.append({"kind": "intent", "id": one, "tag": "t", "at": 1}) for one in ids), return_exceptions=True
    )
    assert [isinstance(one, KnownIdError) for one in kept] == [False, False, True, False]
    assert (audit.fault, audit.records) == ("", 3)
    await audit.close()


async def test_what_is_not_open_keeps_nothing_and_says_why(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "nowhere" / "audit.db", 10_000)
    assert await audit.open(10) == ([], {})
    assert "audit.db" in audit.fault
    with pytest.raises(AuditError):
        await audit.append({"kind": "refused"})
    await audit.close()
