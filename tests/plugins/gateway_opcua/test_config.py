"""What a person may write for a device."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import gateway_opcua
from gateway.config.assets import AssetConfig
from gateway.models.cohorts import assemble
from gateway.sdk import TagTable
from gateway_opcua.config import OpcuaDevice

SAMPLE = Path(gateway_opcua.__file__).parent / "sample.yaml"


class Loader(yaml.SafeLoader):
    """As in the gateway, secrets are given by reference."""


Loader.add_constructor("!secret", lambda _, node: node.value)

TABLE: dict[str, Any] = {
    "device": "heater",
    "adapter": "opcua",
    "connect": "opc.tcp://10.0.4.30",
    "tags": {"temp": {"node": "ns=2;s=Heater.Temp", "unit": "°C"}},
}


def made(**options: Any) -> OpcuaDevice:
    return OpcuaDevice.model_validate(TABLE | options)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("opc.tcp://10.0.4.30", "opc.tcp://10.0.4.30:4840"),
        ("opc.tcp://plc:4841/line/1", "opc.tcp://plc:4841/line/1"),
        ("opc.tcp://[::1]:4840", "opc.tcp://[::1]:4840"),
    ],
)
def test_the_port_is_spelt_out(url: str, meant: str) -> None:
    assert made(connect=url).connect == meant


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"connect": "10.0.4.30:4840"}, "opc.tcp://host:port"),
        ({"connect": "http://10.0.4.30"}, "opc.tcp://host:port"),
        ({"connect": "opc.tcp://op:secret@plc"}, "do not belong in the URL"),
        ({"connect": "opc.tcp://plc:99999"}, "(?i)port"),
        ({"connect": "opc.tcp://plc :4840"}, "no spaces"),
        ({"tags": {"temp": {"node": "Heater.Temp"}}}, "no node id"),
        ({"tags": {"temp": {"path": "Objects/Temp"}}}, "no browse path"),
        ({"tags": {"temp": {"unit": "K"}}}, "either a node or a path"),
        ({"tags": {"temp": {"node": "i=1", "path": "/Objects"}}}, "either a node or a path"),
        ({"password": "x"}, "password is set but user is not"),
        ({"trust": "server.pem"}, "security is none"),
        ({"security": "encrypt"}, "sign_and_encrypt"),
        ({"mode": "poll"}, "subscribe"),
        ({"queue": 0}, "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        made(**options)


def test_a_tag_says_what_is_read() -> None:
    tags = {"a": {"node": "ns=2;s=A"}, "b": {"path": "/Objects/2:B"}}
    assert [tag.describe() for tag in made(tags=tags).tags.values()] == ["ns=2;s=A", "/Objects/2:B"]


def test_the_servers_are_tried_in_the_order_in_which_they_are_named() -> None:
    assert made().servers == [made().connect]
    assert made(backup="opc.tcp://b").servers == [made().connect, "opc.tcp://b:4840"]
    assert made(backup=["opc.tcp://c:1", made().connect]).servers == [made().connect, "opc.tcp://c:1"]


def test_values_that_come_as_they_change_are_no_scan() -> None:
    for mode, other in (("read", "subscribe"), ("subscribe", "read")):
        heater = made(mode=mode, tags={"a": {"node": "i=1"}, "b": {"node": "i=2", "mode": other}, "c": {"node": "i=3"}})
        groups = TagTable.build([heater]).groups
        assert [[tag.name for tag in group.tags] for group in groups] == [["a", "c"], ["b"]]
        assert [group.scanned for group in groups] == [mode == "read", other == "read"]


@pytest.mark.parametrize(("mode", "by_the_clock"), [("read", []), ("subscribe", [0])])
def test_an_asset_of_subscribed_tags_is_scored_by_the_clock(mode: str, by_the_clock: list[int]) -> None:
    """A publish response is no scan: without a period of its own the asset would wait for one for ever."""
    heater = made(mode=mode)
    asset = AssetConfig(tags=[f"{heater.device}.{tag}" for tag in heater.tags])
    assert assemble({"heater": asset}, TagTable.build([heater])).timed == by_the_clock


def test_a_password_is_never_shown() -> None:
    assert "geheim" not in repr(made(user="op", password="geheim"))


def test_devices_share_a_session_by_server_security_and_user() -> None:
    assert made().connection() == made(device="other", mode="subscribe").connection()
    others = [made(user="op"), made(security="sign"), made(connect="opc.tcp://plc"), made(security="sign_and_encrypt")]
    assert len({other.connection() for other in [made(), *others]}) == 5


def test_the_sample_is_a_device() -> None:
    sample = OpcuaDevice.model_validate(yaml.load(SAMPLE.read_text(encoding="utf-8"), Loader))  # noqa: S506 - a safe one
    assert sample.adapter == "opcua"
