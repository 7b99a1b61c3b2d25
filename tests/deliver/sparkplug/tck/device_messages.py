"""DBIRTH, DDATA, DDEATH (§4.2.2, §6.4.20, §6.4.22, §6.4.26)."""

from tests.deliver.sparkplug.rig import DEVICES, PUMP
from tests.deliver.sparkplug.transcript import (
    LIFE,
    Life,
    asserts,
    births,
    births_come_first,
    in_order,
    metrics,
    numbered_on,
    of,
    plain,
    timed,
)


@asserts(LIFE, "topics-dbirth-topic", "message-flow-device-birth-publish-dbirth-topic")
def _dbirth_topic(life: Life) -> None:
    assert {p.topic for p in of(life, "DBIRTH")} == {f"spBv1.0/plant/DBIRTH/line-3/{name}" for name in DEVICES}


@asserts(LIFE, "topics-dbirth-mqtt")
def _dbirth_mqtt(life: Life) -> None:
    plain(life, "DBIRTH")


@asserts(LIFE, "payloads-dbirth-qos", "message-flow-device-birth-publish-dbirth-qos")
def _dbirth_qos(life: Life) -> None:
    assert {packet.qos for packet in of(life, "DBIRTH")} == {0}


@asserts(LIFE, "payloads-dbirth-retain", "message-flow-device-birth-publish-dbirth-retained")
def _dbirth_retain(life: Life) -> None:
    assert {packet.retain for packet in of(life, "DBIRTH")} == {False}


@asserts(
    LIFE,
    "topics-dbirth-seq", "payloads-dbirth-seq-inc", "message-flow-device-birth-publish-dbirth-payload-seq",
)  # fmt: skip
def _dbirth_counts_on(life: Life) -> None:
    numbered_on(life, "DBIRTH")


@asserts(LIFE, "payloads-dbirth-seq")
def _dbirth_has_a_number(life: Life) -> None:
    assert None not in {packet.payload.seq for packet in of(life, "DBIRTH")}


@asserts(LIFE, "topics-dbirth-timestamp", "payloads-dbirth-timestamp")
def _dbirth_timestamp(life: Life) -> None:
    timed(life, "DBIRTH")


@asserts(LIFE, "topics-dbirth-metric-reqs", "operational-behavior-data-publish-dbirth")
def _dbirth_has_every_tag(life: Life) -> None:
    for packet in of(life, "DBIRTH"):
        assert [one.name for one in packet.payload.metrics] == list(DEVICES[packet.device])


@asserts(LIFE, "topics-dbirth-metrics")
def _dbirth_metrics_are_whole(life: Life) -> None:
    for one in metrics(life, "DBIRTH"):
        assert one.name
        assert one.datatype
        assert one.null != (one.value is not None)


@asserts(LIFE, "operational-behavior-data-publish-dbirth-values")
def _dbirth_tells_what_is_now(life: Life) -> None:
    first = next(packet for packet in of(life, "DBIRTH") if packet.device == "pump-7")
    assert tuple(one.value for one in first.payload.metrics) == PUMP
    failed = next(
        packet for packet in of(life, "DBIRTH") if packet.device == "tank-1" and packet.payload.metrics[1].value
    )
    assert failed.payload.metrics[0].value in (40.0, 42.0)


@asserts(LIFE, "topics-ddata-topic")
def _ddata_topic(life: Life) -> None:
    assert {p.topic for p in of(life, "DDATA")} == {f"spBv1.0/plant/DDATA/line-3/{name}" for name in DEVICES}


@asserts(LIFE, "topics-ddata-mqtt")
def _ddata_mqtt(life: Life) -> None:
    plain(life, "DDATA")


@asserts(LIFE, "payloads-ddata-qos")
def _ddata_qos(life: Life) -> None:
    assert {packet.qos for packet in of(life, "DDATA")} == {0}


@asserts(LIFE, "payloads-ddata-retain")
def _ddata_retain(life: Life) -> None:
    assert {packet.retain for packet in of(life, "DDATA")} == {False}


@asserts(LIFE, "topics-ddata-seq-num", "payloads-ddata-seq-inc")
def _ddata_counts_on(life: Life) -> None:
    numbered_on(life, "DDATA")
    assert 255 in {packet.payload.seq for packet in of(life, "DDATA")}, "it went round"


@asserts(LIFE, "payloads-ddata-seq")
def _ddata_has_a_number(life: Life) -> None:
    assert None not in {packet.payload.seq for packet in of(life, "DDATA")}


@asserts(LIFE, "topics-ddata-timestamp", "payloads-ddata-timestamp")
def _ddata_timestamp(life: Life) -> None:
    timed(life, "DDATA")


@asserts(LIFE, "topics-ddata-payload")
def _ddata_tells_what_was_read(life: Life) -> None:
    flows = {one.value for p in of(life, "DDATA") if p.device == "pump-7" for one in p.payload.metrics}
    assert {100.0 + number for number in range(300)} <= flows


@asserts(LIFE, "payloads-ddata-order")
def _ddata_follows_the_births(life: Life) -> None:
    births_come_first(life, "DDATA")


@asserts(LIFE, "payloads-dbirth-order")
def _dbirths_follow_the_nbirth_at_once(life: Life) -> None:
    """Of the devices that answer then; one that comes later is born when it comes."""
    for birth in births(life):
        kinds = [packet.type for packet in birth]
        together = kinds.index("DDATA") if "DDATA" in kinds else len(kinds)
        first = {p.device for p in birth[:together] if p.type == "DBIRTH"}
        assert {"pump-7", "tank-1"} <= first
        assert set(kinds[1 : 1 + len(first)]) == {"DBIRTH"}


@asserts(LIFE, "operational-behavior-data-publish-dbirth-order")
def _device_metrics_arein_order(life: Life) -> None:
    in_order(life, "DBIRTH", "DDATA")


@asserts(LIFE, "topics-ddeath-topic")
def _ddeath_topic(life: Life) -> None:
    assert {packet.topic for packet in of(life, "DDEATH")} == {"spBv1.0/plant/DDEATH/line-3/pump-7"}


@asserts(LIFE, "topics-ddeath-mqtt")
def _ddeath_mqtt(life: Life) -> None:
    plain(life, "DDEATH")


@asserts(LIFE, "topics-ddeath-seq-num", "payloads-ddeath-seq-inc")
def _ddeath_counts_on(life: Life) -> None:
    numbered_on(life, "DDEATH")


@asserts(LIFE, "payloads-ddeath-seq", "payloads-ddeath-seq-number")
def _ddeath_has_a_number(life: Life) -> None:
    assert None not in {packet.payload.seq for packet in of(life, "DDEATH")}


@asserts(LIFE, "payloads-ddeath-timestamp")
def _ddeath_timestamp(life: Life) -> None:
    timed(life, "DDEATH")


@asserts(LIFE, "operational-behavior-device-ddeath")
def _a_lost_device_dies_and_is_born_again(life: Life) -> None:
    kinds = [packet.type for packet in life if packet.device == "pump-7"]
    at = kinds.index("DDEATH")
    assert kinds[at - 1] == "DDATA", "its tags turn bad first"
    assert kinds[at + 1] == "DBIRTH"
