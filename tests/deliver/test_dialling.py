"""Which address is tried when, and what a certificate that was renewed on disk does."""

from pathlib import Path

import pytest
import trustme

from gateway.config.broker import MqttConfig
from gateway.deliver.dialling import Dialling
from gateway.sdk import ConfigError


def dialling(*backup: str, jitter: float = 1.0, **more: object) -> Dialling:
    config = MqttConfig.model_validate({"url": "mqtt://a:1883", "backup": list(backup)} | more)
    return Dialling(config, lambda: jitter)


def test_addresses_are_tried_in_turn_and_the_wait_grows_by_the_round() -> None:
    one = dialling("mqtt://b:1883", "mqtt://c:1883")
    seen = []
    for _ in range(7):
        seen.append((one.config.url[7], one.pause()))
        one.failed()
    assert [url for url, _ in seen] == list("abcabca")
    assert [wait for _, wait in seen[1:]] == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]


def test_a_lost_connection_is_made_anew_at_the_same_address() -> None:
    one = dialling("mqtt://b:1883")
    one.failed()
    assert one.config.url == "mqtt://b:1883"
    one.lost(lasted=60.0)
    assert one.config.url == "mqtt://b:1883"
    assert one.pause() == 1.0


def test_a_connection_that_flaps_waits_longer_each_time() -> None:
    one = dialling(reconnect_max="8s")
    waits = []
    for _ in range(6):
        one.lost(lasted=0.5)
        waits.append(one.pause())
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    one.lost(lasted=60.0)
    assert one.pause() == 1.0


def test_what_is_to_be_made_anew_does_not_wait_once() -> None:
    one = dialling()
    one.lost(lasted=0.0)
    one.again()
    assert (one.pause(), one.pause()) == (0.0, 1.0)


def test_a_wait_is_jittered_over_the_whole() -> None:
    one = dialling(jitter=0.25)
    one.lost(lasted=0.0)
    assert one.pause() == 0.25


def test_renewed_certificates_are_told_once_and_broken_ones_are_not_used(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "client.pem", "client.key"))

    def issue() -> None:
        made = authority.issue_cert("line-3@plant")
        made.cert_chain_pems[0].write_to_path(str(cert))
        made.private_key_pem.write_to_path(str(key))

    authority.cert_pem.write_to_path(str(ca))
    issue()
    one = dialling(url="mqtts://a:8883", ca=str(ca), cert=str(cert), key=str(key))
    one.begins()
    assert not one.renewed()
    issue()
    assert one.renewed()
    assert not one.renewed()  # told
    one.begins()
    cert.write_text("half of a certificate")
    with pytest.raises(ConfigError, match="ca, cert or key"):
        one.renewed()
    assert not one.renewed()
    issue()
    assert one.renewed()


def test_a_broker_without_tls_has_nothing_to_renew(tmp_path: Path) -> None:
    one = dialling(ca=str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_text("now")
    assert not one.renewed()
