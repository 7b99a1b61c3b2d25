"""Starts that come to nothing lead to safe mode, which answers, says why, and lets an ordinary start be tried again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from bench.rig import free_port
from gateway.ops import safemode
from gateway.ops.starts import FILE, LIMIT, Starts
from gateway.sdk.errors import ConfigError, FieldgateError

WITHIN = 30.0
CONFIG = "gateway: {id: line-9}\nmetrics: {listen: '127.0.0.1:0'}\nconsole: {listen: '127.0.0.1:PORT'}\n"
BENCH = "device: bench\nadapter: sim\ntags: {level: {}}\n"


@pytest.fixture(autouse=True)
def log_to_the_output_of_the_test() -> None:
    """Another test may have had structlog write to an output that is closed by now."""
    structlog.reset_defaults()


def serve(starts: Starts, listen: str) -> bool:
    """Safe mode for a tenth of a second, in this process; it leaves the signals as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return safemode.serve(starts, starts.folder, listen, structlog.get_logger(), hold=0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def fail(starts: Starts) -> None:
    with pytest.raises(FieldgateError), starts:
        raise FieldgateError("the disk is on fire")


def test_the_start_after_five_that_came_to_nothing_is_in_safe_mode(tmp_path: Path) -> None:
    assert [Starts(tmp_path, "boot").begin() for _ in range(LIMIT + 1)] == [False] * LIMIT + [True]


def test_a_start_that_lasts_begins_the_count_anew(tmp_path: Path) -> None:
    for _ in range(3):
        for _ in range(LIMIT - 1):
            Starts(tmp_path, "boot").begin()
        starts = Starts(tmp_path, "boot")
        assert not starts.begin()
        starts.settled("line-9", [])


def test_an_end_in_order_and_a_wrong_configuration_count_for_nothing(tmp_path: Path) -> None:
    for _ in range(2 * LIMIT):
        starts = Starts(tmp_path, "boot")
        assert not starts.begin()
        with starts:
            pass
    for _ in range(2 * LIMIT):
        starts = Starts(tmp_path, "boot")
        assert not starts.begin()
        with pytest.raises(ConfigError), starts:
            raise ConfigError("no such option")


def test_starts_of_another_boot_do_not_count(tmp_path: Path) -> None:
    """Five power cuts within a minute each are no fault of the gateway."""
    assert not any(Starts(tmp_path, f"boot-{number}").begin() for number in range(3 * LIMIT))


def test_how_it_ended_is_kept(tmp_path: Path) -> None:
    starts = Starts(tmp_path, "boot")
    starts.begin()
    fail(starts)
    [said] = Starts(tmp_path, "boot").record.errors
    assert said.startswith("FieldgateError: the disk is on fire (test_starts.py:")


def test_what_has_changed_since_it_ran_well_is_named(tmp_path: Path) -> None:
    main, device = tmp_path / "fieldgate.yaml", tmp_path / "pump.yaml"
    main.write_text("a")
    device.write_text("b")
    starts = Starts(tmp_path / "state", "boot")
    assert starts.changes() == ["it has never run for a minute with this state"]
    starts.settled("line-9", [main, device])
    assert starts.changes() == []
    device.write_text("c")
    (tmp_path / "new.yaml").write_text("d")
    assert starts.changes() == [f"{device} has changed", f"{tmp_path / 'new.yaml'} is new"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"fast": 9, "nonsense": 1}'])
def test_a_file_that_is_no_record_counts_from_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert not Starts(tmp_path, "boot").begin()


def test_a_state_that_cannot_be_written_keeps_no_gateway_from_starting(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    assert not Starts(tmp_path / "state", "boot").begin()


def test_only_a_supervisor_that_starts_it_again_has_it_counted(tmp_path: Path) -> None:
    assert Starts.of({}, None) is None
    assert Starts.of({"STATE_DIRECTORY": str(tmp_path)}, tmp_path) is None
    assert Starts.of({"STATE_DIRECTORY": f"{tmp_path}:/elsewhere"}, None) is not None


def test_what_systemd_makes_anew_at_a_boot_tells_boots_apart(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    around = {"STATE_DIRECTORY": str(tmp_path / "state"), "RUNTIME_DIRECTORY": str(runtime)}
    runtime.mkdir()
    for _ in range(LIMIT):
        one = Starts.of(around, None)
        assert one
        assert not one.begin()
    shutil.rmtree(runtime)
    runtime.mkdir()
    anew = Starts.of(around, None)
    assert anew
    assert not anew.begin()
    assert anew.record.fast == 1


def test_left_alone_one_ordinary_start_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(LIMIT):
        Starts(tmp_path, "boot").begin()
    starts = Starts(tmp_path, "boot")
    assert starts.begin()
    assert not serve(starts, "127.0.0.1:0")
    assert "safe mode" in capsys.readouterr().out
    starts.once_more()
    assert [Starts(tmp_path, "boot").begin() for _ in range(2)] == [False, True]


def test_where_nothing_can_listen_safe_mode_lives_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    starts = Starts(tmp_path, "boot")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not serve(starts, f"127.0.0.1:{taken.getsockname()[1]}")
    assert "safe mode does not listen" in capsys.readouterr().out


# -- the daemon --------------------------------------------------------------------------------------------------------


class Service:
    """The daemon as systemd would start it, each time anew."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        (folder / "devices.d").mkdir()
        self.console = f"127.0.0.1:{(port := free_port())}"
        (folder / "fieldgate.yaml").write_text(CONFIG.replace("PORT", str(port)))
        (folder / "devices.d/bench.yaml").write_text(BENCH)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        words = [sys.executable, "-m", "gateway", "run", "--config", str(self.folder / "fieldgate.yaml"), *options]
        (self.state / "listen").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, env={**os.environ, "STATE_DIRECTORY": str(self.state)}, stderr=log)

    def listening(self) -> str:
        until = time.monotonic() + WITHIN
        while not (self.state / "listen").is_file():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)
        return (self.state / "listen").read_text()

    def told(self) -> None:
        """Wait until the console has begun."""
        until = time.monotonic() + WITHIN
        while not (self.state / "console-safe.json").is_file():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)

    def end(self, number: int) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(WITHIN)

    def get(self, path: str, where: str = "") -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://{where or self.listening()}{path}", timeout=10.0) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that was killed five times while it was young, and started again."""
    one = Service(tmp_path_factory.mktemp("service"))
    for _ in range(LIMIT):
        one.start()
        one.listening()
        one.told()
        one.end(signal.SIGKILL)
    one.start("--listen", f"127.0.0.1:{free_port()}")
    one.listening()
    yield one
    if one.process and one.process.poll() is None:
        one.end(signal.SIGTERM)


@pytest.mark.slow
def test_a_gateway_that_keeps_dying_answers_in_safe_mode_and_is_itself_again_when_restarted(service: Service) -> None:
    assert json.loads(service.get("/healthz")[1]) == {"alive": True, "safe_mode": True}
    code, body = service.get("/readyz")
    assert code == 503
    assert "5 starts in a row did not last 60 s" in json.loads(body)["error"]
    document = json.loads(service.get("/status")[1])
    assert (document["state"], document["devices"]) == ("failed", [])
    assert "journalctl" in document["parts"][0]["remedy"]
    assert b"fieldgate_safe_mode 1.0" in service.get("/metrics")[1]
    assert json.loads(service.get("/why?name=bench.level")[1])["error"]
    code, body = service.get("/alarms", service.console)
    assert code == 200
    assert "line-9 is in safe mode" in (text := body.decode()) or "fieldgate is in safe mode" in text
    assert "处于安全模式" in text
    code, body = service.get("/api/v1/overview", service.console)
    assert (code, json.loads(body)["reason"]) == (503, "safe-mode")
    words = ("status", "--listen", service.listening())
    told = subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "safe mode" in told.stdout
    assert service.end(signal.SIGTERM) == 0
    service.start()
    assert json.loads(service.get("/healthz")[1]) == {"alive": True}
    assert json.loads(service.get("/api/v1/overview", service.console)[1])["reason"] == "login"
    assert service.end(signal.SIGTERM) == 0
