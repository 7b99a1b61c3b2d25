"""`fieldgate alarms`: what it shows without a gateway, and what a gateway makes of what it leaves."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.cli import alarms as verb
from gateway.cli.common import FAILED, OK, TRY_LATER
from gateway.config.assets import AlarmConfig
from gateway.deliver.event import rfc3339
from gateway.ops.inbox import Inbox
from gateway.stages.alarm import Alarms, State
from gateway.state.history import Change
from gateway.state.store import StateStore

NOW = time.time_ns()


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """There is no loop here."""


def record(state: State, until: int = -1) -> str:
    return json.dumps(Alarms([AlarmConfig()]).snapshot(0) | {"state": state.name.lower(), "until": until})


def change(asset: str, state: State, ago: float) -> Change:
    at = NOW - round(ago * 1e9)
    return Change(at, asset, "normal", state.word, "medium", 2.0, 1.0, "", "", f"{asset}: it is {state.word}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway that is down: pump stands, its rule is critical and returned, the tank is shelved, the fan normal."""
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "state").mkdir()
    assets = "\n".join(f"  {name}: {{tags: [d.t]}}" for name in ("tank", "fan"))
    rule = "{hot: {tag: d.t, above: 90, alarm: {severity: critical}}}"
    (tmp_path / "fieldgate.yaml").write_text(
        f"gateway: {{id: x, state: {tmp_path / 'state'}}}\nassets:\n  pump: {{tags: [d.t], rules: {rule}}}\n{assets}\n"
    )
    (tmp_path / "devices.d" / "d.yaml").write_text("device: d\nadapter: sim\ntags:\n  t: {wave: sine}\n")
    states = {
        "pump": State.ACTIVE_UNACKNOWLEDGED,
        "pump-hot": State.RETURNED_UNACKNOWLEDGED,
        "tank": State.SHELVED,
        "fan": State.NORMAL,
        "gone": State.ACTIVE_UNACKNOWLEDGED,  # not in the configuration any more
    }
    store = StateStore(tmp_path / "state" / "state.db")
    store.keep_alarms(
        {name: record(state, NOW + 10**12 if state is State.SHELVED else -1) for name, state in states.items()},
        [change(name, state, 7200.0 * (number + 1)) for number, (name, state) in enumerate(states.items())],
    )
    store.close()
    monkeypatch.setenv("FIELDGATE_CONFIG", str(tmp_path / "fieldgate.yaml"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(verb, "ANSWER_WITHIN", 0.0)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_what_is_not_normal_is_listed_the_most_urgent_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarms", "--json"]) == OK
    rows = said(capsys)
    assert [(row["asset"], row["state"], row["severity"]) for row in rows] == [
        ("pump-hot", "returned-unacknowledged", "critical"),
        ("tank", "shelved", "medium"),
        ("pump", "active-unacknowledged", "medium"),
    ]
    assert rows[1]["until"] == rfc3339(NOW + 10**12)
    assert rows[2]["message"] == "pump: it is active-unacknowledged"
    assert main(["alarms", "list"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["pump-hot", "tank", "pump"]
    assert "until" in lines[1]
    assert (home / "state" / "state.db").is_file()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "assets"),
    [
        ([], ["pump", "pump-hot", "tank", "fan", "gone"]),
        (["--since", "3h"], ["pump"]),
        (["--since", "1w", "--most", "2"], ["fan", "gone"]),
        (["pump", "tank"], ["pump", "tank"]),
    ],
)
def test_history_is_of_the_names_and_the_time_that_are_asked_for(
    options: list[str], assets: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alarms", "history", "--json", *options]) == OK
    assert [row["asset"] for row in said(capsys)] == assets


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ack", "valve"], "there is no alarm 'valve'; there are pump, tank, fan, pump-hot"),
        (["ack"], "name an alarm, or give --all"),
        (["history", "--since", "yesterday"], "--since: a duration is a number"),
        (["history", "valve"], "no alarm 'valve'"),
    ],
)
def test_what_cannot_be_done_says_why(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarms", *arguments]) == FAILED
    assert why in capsys.readouterr().err


def test_what_is_left_for_a_gateway_that_is_down_waits_for_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--for", "30min", "--by", "ann", "--comment", "bearing"]
    assert main(["alarms", "shelve", "pump", *options]) == TRY_LATER
    assert "is carried out when one runs" in capsys.readouterr().err
    [(_, note)] = Inbox(home / "state", "commands").collect()
    assert note == {"asset": "pump", "action": "shelve", "for": "30min", "by": "ann", "comment": "bearing"}


def test_all_that_nobody_has_acknowledged_is_acknowledged(home: Path) -> None:
    assert main(["alarms", "ack", "--all", "--by", "ann"]) == TRY_LATER
    notes = [note for _, note in Inbox(home / "state", "commands").collect()]
    assert [(note["asset"], note["action"]) for note in notes] == [("pump-hot", "ack"), ("pump", "ack")]


@pytest.fixture
def gateway(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something that answers: pump is done, anything else is refused."""
    monkeypatch.setattr(verb, "ANSWER_WITHIN", 10.0)
    inbox, over = Inbox(home / "state", "commands"), threading.Event()

    def serve() -> None:
        while not over.wait(0.02):
            for name, note in inbox.collect():
                done = note["asset"] == "pump"
                inbox.answer(name, {"result": "done" if done else "refused", "text": f"{note['asset']} was looked at"})

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("gateway")
def test_the_answer_decides_the_exit_code_and_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarms", "ack", "pump"]) == OK
    assert capsys.readouterr().out == "pump was looked at\n"
    assert main(["alarms", "enable", "pump", "fan"]) == FAILED
    both = capsys.readouterr()
    assert both.out == "pump was looked at\n"
    assert "fan was looked at" in both.err
    assert main(["alarms", "--json", "ack", "pump"]) == OK
    assert said(capsys)[0]["result"] == "done"


def test_without_a_gateway_ever_the_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert main(["alarms", "--config", str(home / "fieldgate.yaml"), "--state", str(tmp_path / "none")]) == FAILED
    assert "no gateway has run on this state folder" in capsys.readouterr().err
