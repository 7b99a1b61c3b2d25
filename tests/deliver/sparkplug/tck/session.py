"""How a session is established and ended, and a rebirth (§5)."""

from gateway.deliver.sparkplug.reading import read
from tests.deliver.sparkplug.rig import DEVICES
from tests.deliver.sparkplug.transcript import (
    LIFE,
    MQTT_3,
    MQTT_5,
    Life,
    asserts,
    bdseq,
    connections,
    of,
    reborn,
    subscribed,
)


@asserts(LIFE, "message-flow-edge-node-ncmd-subscribe")
def _ncmd_is_subscribed_with_qos_1_before_the_birth(life: Life) -> None:
    subscribed(life, "spBv1.0/plant/NCMD/line-3")


@asserts(LIFE, "message-flow-device-dcmd-subscribe")
def _dcmd_is_subscribed_with_qos_1_before_the_birth(life: Life) -> None:
    subscribed(life, "spBv1.0/plant/DCMD/line-3/+")


@asserts(LIFE, "message-flow-edge-node-birth-publish-connect")
def _a_session_comes_first(life: Life) -> None:
    for connection in connections(life):
        assert connection[0].kind == "CONNECT"
        assert of(connection, "NBIRTH", "DBIRTH")


@asserts(LIFE, "message-flow-edge-node-birth-publish-will-message", "payloads-ndeath-will-message")
def _each_connect_has_a_will(life: Life) -> None:
    assert all(packet.will is not None for packet in life if packet.kind == "CONNECT")


@asserts(LIFE, "message-flow-edge-node-birth-publish-will-message-topic")
def _the_will_goes_to_ndeath(life: Life) -> None:
    assert {p.will.topic for p in life if p.will is not None} == {"spBv1.0/plant/NDEATH/line-3"}


@asserts(LIFE, "message-flow-edge-node-birth-publish-will-message-payload")
def _the_will_is_a_payload(life: Life) -> None:
    assert all(len(read(p.will.payload).metrics) == 1 for p in life if p.will is not None)


@asserts(LIFE, "message-flow-edge-node-birth-publish-will-message-qos", "payloads-ndeath-will-message-qos")
def _the_will_has_qos_1(life: Life) -> None:
    assert {p.will.qos for p in life if p.will is not None} == {1}


@asserts(LIFE, "message-flow-edge-node-birth-publish-will-message-will-retained", "payloads-ndeath-will-message-retain")
def _the_will_is_not_retained(life: Life) -> None:
    assert {p.will.retain for p in life if p.will is not None} == {False}


@asserts(LIFE, "message-flow-edge-node-birth-publish-nbirth-payload")
def _nbirth_is_a_payload(life: Life) -> None:
    assert all(len(packet.payload.metrics) >= 2 for packet in of(life, "NBIRTH"))


@asserts(LIFE, "message-flow-device-birth-publish-dbirth-payload")
def _dbirth_is_a_payload(life: Life) -> None:
    assert all(packet.payload.metrics for packet in of(life, "DBIRTH"))


@asserts(LIFE, "message-flow-device-birth-publish-nbirth-wait")
def _dbirth_waits_for_the_nbirth(life: Life) -> None:
    for connection in connections(life):
        kinds = [packet.type for packet in connection]
        assert kinds.index("NBIRTH") < kinds.index("DBIRTH")


@asserts(LIFE, "message-flow-device-birth-publish-dbirth-match-edge-node-topic")
def _dbirth_is_of_the_same_node(life: Life) -> None:
    group, node = {(p.topic.split("/")[1], p.topic.split("/")[3]) for p in of(life, "NBIRTH")}.pop()
    assert {(p.topic.split("/")[1], p.topic.split("/")[3]) for p in of(life, "DBIRTH")} == {(group, node)}


@asserts(LIFE, "operational-behavior-edge-node-intentional-disconnect-ndeath", "payloads-ndeath-will-message-publisher")
def _ndeath_before_leaving(life: Life) -> None:
    assert [packet.type or packet.kind for packet in life[-2:]] == ["NDEATH", "DISCONNECT"]


@asserts(LIFE, "operational-behavior-edge-node-intentional-disconnect-packet")
def _disconnect_follows_the_ndeath(life: Life) -> None:
    [at] = [place for place, packet in enumerate(life) if packet.kind == "DISCONNECT"]
    assert life[at - 1].type == "NDEATH"


@asserts(MQTT_3, "payloads-ndeath-will-message-publisher-disconnect-mqtt311")
def _mqtt_3_says_ndeath_itself(life: Life) -> None:
    last = [packet for packet in life if packet.connection == life[-1].connection]
    assert bdseq(last[-2]) == bdseq(of(last, "NBIRTH")[0])


@asserts(MQTT_5, "payloads-ndeath-will-message-publisher-disconnect-mqtt50")
def _mqtt_5_disconnects_with_the_will(life: Life) -> None:
    assert [packet.reason for packet in life if packet.kind == "DISCONNECT"] == [0x04]


@asserts(LIFE, "operational-behavior-data-commands-rebirth-action-1")
def _no_data_between_a_request_and_the_birth(life: Life) -> None:
    """The life tells nothing meanwhile; that data which is there waits, too, says test_node."""
    again = reborn(life)
    assert [packet.type for packet in again[: 1 + len(DEVICES)]] == ["NBIRTH", *["DBIRTH"] * len(DEVICES)]


@asserts(LIFE, "operational-behavior-data-commands-rebirth-action-2")
def _a_rebirth_is_complete(life: Life) -> None:
    assert {packet.device for packet in reborn(life) if packet.type == "DBIRTH"} == set(DEVICES)


@asserts(LIFE, "operational-behavior-data-commands-rebirth-action-3")
def _a_rebirth_keeps_bdseq(life: Life) -> None:
    first = next(connections(life))
    assert len(of(first, "NBIRTH")) > 1
    assert {bdseq(packet) for packet in of(first, "NBIRTH")} == {0}
