"""NBIRTH, NDATA, NDEATH (§4.2.1, §6.4.19, §6.4.21, §6.4.25), and the metric that asks for a rebirth (§5.14)."""

from gateway.deliver.sparkplug.reading import read
from gateway.deliver.sparkplug.wire import Datatype
from tests.deliver.sparkplug.transcript import (
    LIFE,
    NAME,
    Life,
    asserts,
    bdseq,
    births,
    births_come_first,
    connections,
    in_order,
    metrics,
    named,
    numbered_on,
    of,
    plain,
    timed,
)


@asserts(LIFE, "topics-nbirth-topic", "message-flow-edge-node-birth-publish-nbirth-topic")
def _nbirth_topic(life: Life) -> None:
    assert {packet.topic for packet in of(life, "NBIRTH")} == {"spBv1.0/plant/NBIRTH/line-3"}


@asserts(LIFE, "topics-nbirth-mqtt")
def _nbirth_mqtt(life: Life) -> None:
    plain(life, "NBIRTH")


@asserts(LIFE, "payloads-nbirth-qos", "message-flow-edge-node-birth-publish-nbirth-qos")
def _nbirth_qos(life: Life) -> None:
    assert {packet.qos for packet in of(life, "NBIRTH")} == {0}


@asserts(LIFE, "payloads-nbirth-retain", "message-flow-edge-node-birth-publish-nbirth-retained")
def _nbirth_retain(life: Life) -> None:
    assert {packet.retain for packet in of(life, "NBIRTH")} == {False}


@asserts(LIFE, "topics-nbirth-seq-num", "payloads-sequence-num-zero-nbirth")
def _nbirth_begins_with_zero(life: Life) -> None:
    assert {packet.payload.seq for packet in of(life, "NBIRTH")} == {0}


@asserts(LIFE, "payloads-nbirth-seq", "message-flow-edge-node-birth-publish-nbirth-payload-seq")
def _nbirth_has_a_number(life: Life) -> None:
    assert all(0 <= (packet.payload.seq or 0) <= 255 for packet in of(life, "NBIRTH"))
    assert None not in {packet.payload.seq for packet in of(life, "NBIRTH")}


@asserts(LIFE, "topics-nbirth-timestamp", "payloads-nbirth-timestamp")
def _nbirth_timestamp(life: Life) -> None:
    timed(life, "NBIRTH")


@asserts(LIFE, "topics-nbirth-metric-reqs", "operational-behavior-data-publish-nbirth")
def _nbirth_has_every_metric_of_the_node(life: Life) -> None:
    for birth in births(life):
        known = {one.alias for one in birth[0].payload.metrics}
        assert all(one.alias in known for packet in birth if packet.type == "NDATA" for one in packet.payload.metrics)


@asserts(LIFE, "topics-nbirth-metrics")
def _nbirth_metrics_are_whole(life: Life) -> None:
    for one in metrics(life, "NBIRTH"):
        assert one.name
        assert one.datatype
        assert one.value is not None


@asserts(LIFE, "operational-behavior-data-publish-nbirth-values")
def _nbirth_tells_what_is_now(life: Life) -> None:
    lost = [named(packet, "Devices/Lost").value for packet in of(life, "NBIRTH")]
    assert lost[0] == 1, "valve-3 was not heard of yet"
    assert lost[-1] == 0


@asserts(LIFE, "topics-nbirth-bdseq-included", "payloads-nbirth-bdseq")
def _nbirth_has_bdseq(life: Life) -> None:
    assert all(isinstance(bdseq(packet), int) for packet in of(life, "NBIRTH"))


@asserts(
    LIFE,
    "topics-nbirth-bdseq-matching", "payloads-nbirth-bdseq-repeat", "payloads-ndeath-bdseq",
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
)  # fmt: skip
def _bdseq_of_birth_and_will_match(life: Life) -> None:
    for connection in connections(life):
        will = connection[0].will
        assert will is not None
        [told] = read(will.payload).metrics
        assert {bdseq(packet) for packet in of(connection, "NBIRTH")} == {told.value}
        assert {named(packet, "bdSeq").datatype for packet in of(connection, "NBIRTH")} == {Datatype.INT64}


@asserts(LIFE, "topics-nbirth-bdseq-increment", "message-flow-edge-node-birth-publish-will-message-payload-bdSeq")
def _bdseq_counts_connections(life: Life) -> None:
    wills = [packet.will for packet in life if packet.kind == "CONNECT"]
    told = [read(will.payload).metrics[0] for will in wills if will is not None]
    assert [one.value for one in told] == list(range(len(wills)))
    assert {(one.name, one.datatype) for one in told} == {("bdSeq", Datatype.INT64)}


@asserts(LIFE, "topics-nbirth-rebirth-metric", "payloads-nbirth-rebirth-req")
def _nbirth_offers_a_rebirth(life: Life) -> None:
    for packet in of(life, "NBIRTH"):
        assert (named(packet, NAME).datatype, named(packet, NAME).value) == (Datatype.BOOLEAN, False)


@asserts(LIFE, "operational-behavior-data-commands-rebirth-name")
def _rebirth_is_named(life: Life) -> None:
    assert all(NAME in [one.name for one in packet.payload.metrics] for packet in of(life, "NBIRTH"))


@asserts(LIFE, "operational-behavior-data-commands-rebirth-name-aliases")
def _rebirth_has_no_alias(life: Life) -> None:
    assert {named(packet, NAME).alias for packet in of(life, "NBIRTH")} == {None}


@asserts(LIFE, "operational-behavior-data-commands-rebirth-datatype")
def _rebirth_is_boolean(life: Life) -> None:
    assert {named(packet, NAME).datatype for packet in of(life, "NBIRTH")} == {Datatype.BOOLEAN}


@asserts(LIFE, "operational-behavior-data-commands-rebirth-value")
def _rebirth_is_false(life: Life) -> None:
    assert {named(packet, NAME).value for packet in of(life, "NBIRTH")} == {False}


@asserts(LIFE, "topics-ndata-topic")
def _ndata_topic(life: Life) -> None:
    assert {packet.topic for packet in of(life, "NDATA")} == {"spBv1.0/plant/NDATA/line-3"}


@asserts(LIFE, "topics-ndata-mqtt")
def _ndata_mqtt(life: Life) -> None:
    plain(life, "NDATA")


@asserts(LIFE, "payloads-ndata-qos")
def _ndata_qos(life: Life) -> None:
    assert {packet.qos for packet in of(life, "NDATA")} == {0}


@asserts(LIFE, "payloads-ndata-retain")
def _ndata_retain(life: Life) -> None:
    assert {packet.retain for packet in of(life, "NDATA")} == {False}


@asserts(LIFE, "topics-ndata-seq-num", "payloads-ndata-seq-inc")
def _ndata_counts_on(life: Life) -> None:
    numbered_on(life, "NDATA")


@asserts(LIFE, "payloads-ndata-seq")
def _ndata_has_a_number(life: Life) -> None:
    assert None not in {packet.payload.seq for packet in of(life, "NDATA")}


@asserts(LIFE, "topics-ndata-timestamp", "payloads-ndata-timestamp")
def _ndata_timestamp(life: Life) -> None:
    timed(life, "NDATA")


@asserts(LIFE, "topics-ndata-payload", "operational-behavior-data-publish-nbirth-change")
def _ndata_tells_changes_and_nothing_else(life: Life) -> None:
    told = 0
    for birth in births(life):
        lost = named(birth[0], "Devices/Lost")
        value = lost.value
        for packet in (packet for packet in birth if packet.type == "NDATA"):
            [one] = packet.payload.metrics
            assert one.alias == lost.alias
            assert one.value != value
            value, told = one.value, told + 1
    assert told == 3, "valve-3 came, pump-7 was lost, and was back"


@asserts(LIFE, "payloads-ndata-order")
def _ndata_follows_the_births(life: Life) -> None:
    births_come_first(life, "NDATA")


@asserts(LIFE, "operational-behavior-data-publish-nbirth-order")
def _node_metrics_arein_order(life: Life) -> None:
    in_order(life, "NBIRTH", "NDATA")


@asserts(LIFE, "topics-ndeath-topic")
def _ndeath_topic(life: Life) -> None:
    assert {packet.topic for packet in of(life, "NDEATH")} == {"spBv1.0/plant/NDEATH/line-3"}


@asserts(LIFE, "topics-ndeath-payload")
def _ndeath_has_bdseq_alone(life: Life) -> None:
    for packet in of(life, "NDEATH"):
        assert [one.name for one in packet.payload.metrics] == ["bdSeq"]


@asserts(LIFE, "topics-ndeath-seq", "payloads-ndeath-seq")
def _ndeath_has_no_number(life: Life) -> None:
    assert {packet.payload.seq for packet in of(life, "NDEATH")} == {None}
    assert {read(p.will.payload).seq for p in life if p.will is not None} == {None}
