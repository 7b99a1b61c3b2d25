"""TLS to real brokers: what does not hold sends nothing, and what is renewed on disk is used without a restart."""

import asyncio
import functools
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.deliver.event import Class
from gateway.sdk import ConfigError
from tests.deliver.brokers import Subscriber, free_port, mosquitto
from tests.deliver.rig import Rig, contents

TURNS = 4


class Secure:
    """An authority, a broker that asks for a certificate, and files that can be renewed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._authority = folder, trustme.CA()
        self.authority, self.cert, self.key = (str(folder / name) for name in ("ca.pem", "client.pem", "client.key"))
        self._authority.cert_pem.write_to_path(self.authority)
        self.issue("server", "localhost")
        self.issue("client", "line-3@plant")
        options = (
            f"cafile {self.authority}\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n"
            "require_certificate true\nallow_anonymous true\nmax_queued_messages 100000"
        )
        plain = free_port()
        options += f"\nlistener {plain} 127.0.0.1\nallow_anonymous true"  # for who listens
        self.process, self.plain = mosquitto(folder, free_port(), options), plain
        self.process.ports.append(plain)

    @property
    def files(self) -> dict[str, str]:
        return {"ca": self.authority, "cert": self.cert, "key": self.key}

    @property
    def url(self) -> str:
        return f"mqtts://localhost:{self.process.ports[0]}"

    def issue(self, whose: str, name: str, **validity: Any) -> None:
        """Put a new certificate and key in place, each in one step."""
        made = self._authority.issue_cert(name, **validity)
        for blob, kind in ((made.private_key_pem, "key"), (made.cert_chain_pems[0], "pem")):
            fresh = self.folder / f"{whose}.{kind}.new"
            blob.write_to_path(str(fresh))
            fresh.replace(self.folder / f"{whose}.{kind}")

    def spoil(self) -> None:
        Path(self.cert).write_text("half of a certificate")

    def restart(self) -> None:
        """Have the broker begin anew with the certificate that lies there now."""
        self.process.kill()
        self.process.start()

    def reread(self) -> None:
        """Have the broker read its certificate anew: SIGHUP (mosquitto(8))."""
        assert self.process.process is not None
        self.process.process.send_signal(signal.SIGHUP)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    one = Secure(tmp_path)
    one.process.start()
    yield one
    one.process.kill()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_mutual_tls_delivers(tmp_path: Path, secure: Secure, version: str) -> None:
    async with Rig(tmp_path, secure.url, version=version, **secure.files).running() as rig:
        rig.put(Class.TELEMETRY, 100)
        await rig.until(lambda: rig.acked() == 100, "acknowledged")
        secure.process.kill()
        await rig.until(lambda: not rig.publisher.connected, "loss is seen")
        rig.put(Class.TELEMETRY, 10)
        await asyncio.to_thread(secure.process.start)
        await rig.until(lambda: rig.acked() == 110, "acknowledged after the return")


@pytest.mark.parametrize(
    ("host", "options", "reason"),
    [
        ("localhost", {"cert": None, "key": None}, ""),
        ("localhost", {"ca": None}, "CERTIFICATE_VERIFY_FAILED"),
        ("127.0.0.1", {}, "CERTIFICATE_VERIFY_FAILED"),
    ],
    ids=["no certificate of our own", "an authority that we do not trust", "a certificate for another name"],
)
async def test_tls_that_does_not_hold_sends_nothing(
    tmp_path: Path, secure: Secure, host: str, options: dict[str, Any], reason: str
) -> None:
    address = f"mqtts://{host}:{secure.process.ports[0]}"
    files = secure.files | options
    async with Rig(tmp_path, address, **files).running() as rig:
        rig.put(Class.TELEMETRY, 1)
        await rig.until(lambda: rig.publisher.counters["failures"] > 1, "fails")
        assert reason in rig.publisher.last_error
        assert rig.publisher.counters["published"] == rig.acked() == 0


async def test_an_expired_certificate_is_refused_told_and_the_data_kept(tmp_path: Path, secure: Secure) -> None:
    ended = datetime.now(UTC) - timedelta(days=1)
    secure.issue("server", "localhost", not_before=ended - timedelta(days=30), not_after=ended)
    await asyncio.to_thread(secure.restart)
    async with Rig(tmp_path, secure.url, **secure.files).running() as rig:
        rig.put(Class.TELEMETRY, 50)
        await rig.until(lambda: rig.publisher.counters["failures"] > 2, "fails")
        assert "certificate has expired" in rig.publisher.last_error
        assert rig.outbox.stats().classes[Class.TELEMETRY].queued.records == 50
        secure.issue("server", "localhost")
        await asyncio.to_thread(secure.restart)
        await rig.until(lambda: rig.acked() == 50, "acknowledged with the new one")


async def test_certificates_that_change_under_load_cost_nothing(tmp_path: Path, secure: Secure) -> None:
    """Ours and the broker's in turn; a broken one on disk is not used, and told once."""
    subscriber = await asyncio.to_thread(Subscriber, secure.plain)
    async with Rig(tmp_path, secure.url, **secure.files).running() as rig:
        await rig.until(lambda: rig.publisher.connected, "connected")
        for turn in range(TURNS):
            await load(rig, 50)
            if turn % 2:
                secure.issue("server", "localhost")
                secure.reread()
            else:
                secure.issue("client", "line-3@plant")
            await load(rig, 50)
            await rig.until(functools.partial(renewed, rig, turn // 2 + 1), "connected anew")
        secure.spoil()
        await load(rig, 50)
        await rig.until(lambda: told(rig), "told")
        assert rig.publisher.connected
        count = TURNS * 100 + 50
        await rig.until(lambda: rig.acked() == count, "acknowledged")
        await rig.until(lambda: len(contents(subscriber.bodies("telemetry"))) == count, "heard")
    subscriber.close()
    assert rig.publisher.counters["renewals"] == (TURNS + 1) // 2  # the broker's own are its affair
    assert told(rig) == 1


def renewed(rig: Rig, times: int) -> bool:
    return rig.publisher.counters["renewals"] >= times


def told(rig: Rig) -> int:
    return [event for _, event, _ in rig.log.lines].count("certificates not usable")


async def load(rig: Rig, count: int) -> None:
    """So many messages within a second and a half: longer than it takes to see a new certificate."""
    for _ in range(count):
        rig.put(Class.TELEMETRY)
        await asyncio.sleep(1.5 / count)


async def test_a_missing_certificate_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca, cert or key"):
        Rig(tmp_path, "mqtts://127.0.0.1:1", ca=str(tmp_path / "none.pem"))
