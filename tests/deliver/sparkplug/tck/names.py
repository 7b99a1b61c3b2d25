"""Names, topics and principles (Sparkplug 3.0 §1, §2, §4.1)."""

import pytest
from pydantic import ValidationError

from gateway.config.broker import SparkplugConfig
from gateway.sdk import DeviceConfig, TagConfig
from tests.deliver.sparkplug.rig import DEVICES
from tests.deliver.sparkplug.transcript import (
    DEVICE,
    LIFE,
    MQTT_3,
    MQTT_5,
    NAMES,
    NODE,
    Life,
    asserts,
    births,
    connections,
    of,
)


@asserts(NAMES, "intro-group-id-string", "intro-edge-node-id-string")
def _ids_are_any_text() -> None:
    assert SparkplugConfig(group="Werk Süd 1", node="Linie 3").group == "Werk Süd 1"
    with pytest.raises(ValidationError):
        SparkplugConfig.model_validate({"group": 7})


@asserts(NAMES, "intro-group-id-chars", "topic-structure-namespace-valid-group-id")
def _group_has_no_reserved_characters() -> None:
    for bad in ("a/b", "a+", "#", "", "a\x00b"):
        with pytest.raises(ValidationError):
            SparkplugConfig(group=bad)


@asserts(NAMES, "intro-edge-node-id-chars", "topic-structure-namespace-valid-edge-node-id")
def _node_has_no_reserved_characters() -> None:
    for bad in ("a/b", "a+", "#", "", "a\x00b"):
        with pytest.raises(ValidationError):
            SparkplugConfig(node=bad)


@asserts(NAMES, "intro-device-id-string", "intro-device-id-chars", "topic-structure-namespace-valid-device-id")
def _device_has_no_reserved_characters() -> None:
    for bad in ("a/b", "a+", "#", "", "a\x00b"):
        with pytest.raises(ValidationError):
            DeviceConfig(device=bad, adapter="x", tags={"t": TagConfig()})


@asserts(LIFE, "topic-structure")
def _topics_have_the_structure(life: Life) -> None:
    for packet in of(life, *NODE, *DEVICE):
        assert len(packet.topic.split("/")) == (5 if packet.type in DEVICE else 4)


@asserts(LIFE, "topic-structure-namespace-a")
def _the_namespace_is_spbv1(life: Life) -> None:
    assert all(p.topic.startswith(("spBv1.0/", "fieldgate/")) for p in life if p.kind == "PUBLISH")
    assert of(life, "DDATA")


@asserts(LIFE, "topic-structure-namespace-unique-device-id")
def _devices_have_names_of_their_own(life: Life) -> None:
    for birth in births(life):
        named_now = [packet.device for packet in birth[: birth.index(birth[-1]) + 1] if packet.type == "DBIRTH"]
        lost = [packet.device for packet in birth if packet.type == "DDEATH"]
        assert all(named_now.count(one) <= 1 + lost.count(one) for one in named_now)


@asserts(LIFE, "topic-structure-namespace-device-id-associated-message-types")
def _device_messages_name_their_device(life: Life) -> None:
    assert {packet.device for packet in of(life, *DEVICE)} == set(DEVICES)


@asserts(LIFE, "topic-structure-namespace-device-id-non-associated-message-types")
def _node_messages_name_no_device(life: Life) -> None:
    assert {packet.device for packet in of(life, *NODE)} == {""}


@asserts(LIFE, "principles-rbe-recommended", "operational-behavior-data-publish-dbirth-change")
def _data_only_of_what_was_read_anew(life: Life) -> None:
    seen: set[tuple[int | None, int | None]] = set()
    for packet in of(life, "DDATA"):
        for one in packet.payload.metrics:
            assert (one.alias, one.timestamp) not in seen, "nothing is sent again on a period"
            seen.add((one.alias, one.timestamp))


@asserts(LIFE, "principles-birth-certificates-order")
def _the_birth_is_the_first_message(life: Life) -> None:
    for connection in connections(life):
        assert next(packet for packet in connection if packet.kind == "PUBLISH").type == "NBIRTH"


@asserts(MQTT_3, "principles-persistence-clean-session-311")
def _clean_session(life: Life) -> None:
    assert all(packet.clean for packet in life if packet.kind == "CONNECT")


@asserts(MQTT_5, "principles-persistence-clean-session-50")
def _clean_start_and_no_expiry(life: Life) -> None:
    for packet in (packet for packet in life if packet.kind == "CONNECT"):
        assert packet.clean
        assert packet.properties == b"\x27" + (2**16).to_bytes(4, "big"), (
            "the packet's size, no session expiry: it is 0"
        )
