"""Payload, metric, alias, datatype, properties (§6.4.5 to §6.4.9)."""

from gateway.deliver.sparkplug.wire import Datatype
from tests.deliver.sparkplug.transcript import (
    BIRTHS,
    DATA,
    DEVICE,
    LIFE,
    NAME,
    NODE,
    NUMBERED,
    Life,
    asserts,
    births,
    metrics,
    numbered_on,
    of,
    timed,
    with_quality,
)


@asserts(LIFE, "payloads-timestamp-in-UTC")
def _payloads_are_dated_in_utc(life: Life) -> None:
    timed(life, *NODE, *DEVICE)


@asserts(LIFE, "payloads-metric-timestamp-in-UTC")
def _metrics_are_dated_in_utc(life: Life) -> None:
    latest = max(packet.payload.timestamp or 0 for packet in of(life, *NUMBERED))
    assert all(latest - 600_000 < (one.timestamp or 0) <= latest + 1000 for one in metrics(life, *DATA))


@asserts(LIFE, "payloads-sequence-num-always-included")
def _everything_but_ndeath_has_a_number(life: Life) -> None:
    assert None not in {packet.payload.seq for packet in of(life, *NUMBERED)}


@asserts(LIFE, "payloads-sequence-num-incrementing")
def _numbers_count_on(life: Life) -> None:
    numbered_on(life, *NUMBERED)


@asserts(LIFE, "payloads-name-requirement")
def _a_metric_has_a_name_or_an_alias(life: Life) -> None:
    assert all(one.name or one.alias is not None for one in metrics(life, *DATA))


@asserts(LIFE, "payloads-alias-uniqueness")
def _an_alias_is_of_one_metric(life: Life) -> None:
    for birth in births(life):
        known: dict[int, str] = {}
        for packet in (packet for packet in birth if packet.type in BIRTHS):
            for one in packet.payload.metrics:
                if one.alias is not None:
                    assert known.setdefault(one.alias, f"{packet.device}/{one.name}") == f"{packet.device}/{one.name}"


@asserts(LIFE, "payloads-alias-birth-requirement")
def _births_have_name_and_alias(life: Life) -> None:
    for one in metrics(life, *BIRTHS):
        assert one.name
        assert (one.alias is None) == (one.name == NAME), "which must have none (§5.14)"


@asserts(LIFE, "payloads-alias-data-cmd-requirement")
def _data_have_an_alias_alone(life: Life) -> None:
    for birth in births(life):
        known = {one.alias for p in birth if p.type in BIRTHS for one in p.payload.metrics}
        for packet in (packet for packet in birth if packet.type in ("NDATA", "DDATA")):
            assert all(one.alias in known and not one.name for one in packet.payload.metrics)


@asserts(LIFE, "payloads-name-birth-data-requirement")
def _every_metric_has_a_time(life: Life) -> None:
    assert None not in {one.timestamp for one in metrics(life, *DATA)}


@asserts(LIFE, "payloads-metric-datatype-value-type")
def _a_datatype_is_a_number_of_32_bits(life: Life) -> None:
    assert all(0 <= one.datatype < 2**32 for one in metrics(life, *BIRTHS))


@asserts(LIFE, "payloads-metric-datatype-value")
def _a_datatype_is_one_of_the_list(life: Life) -> None:
    assert {one.datatype for one in metrics(life, *BIRTHS)} <= set(Datatype)


@asserts(LIFE, "payloads-metric-datatype-req")
def _births_have_datatypes(life: Life) -> None:
    assert 0 not in {one.datatype for one in metrics(life, *BIRTHS)}
    assert len({one.datatype for one in metrics(life, *BIRTHS)}) >= 6


@asserts(LIFE, "payloads-metric-datatype-not-req")
def _data_have_none(life: Life) -> None:
    assert {one.datatype for one in metrics(life, "NDATA", "DDATA")} == {0}


@asserts(LIFE, "payloads-propertyset-keys-array-size", "payloads-propertyset-values-array-size")
def _properties_have_keys_and_values(life: Life) -> None:
    """`read` refuses a set with more of the one than of the other."""
    assert any(one.properties for one in metrics(life, "DBIRTH"))
    assert any(one.properties for one in metrics(life, "DDATA"))


@asserts(LIFE, "payloads-metric-propertyvalue-type-type")
def _property_types_are_numbers_of_32_bits(life: Life) -> None:
    assert all(0 < p.datatype < 2**32 for one in metrics(life, *DATA) for p in one.properties.values())


@asserts(LIFE, "payloads-metric-propertyvalue-type-value")
def _property_types_are_of_the_list(life: Life) -> None:
    assert {p.datatype for one in metrics(life, *DATA) for p in one.properties.values()} <= set(Datatype)


@asserts(LIFE, "payloads-metric-propertyvalue-type-req")
def _properties_in_births_have_types(life: Life) -> None:
    typed = [p.datatype for one in metrics(life, *BIRTHS) for p in one.properties.values()]
    assert typed
    assert 0 not in typed


@asserts(LIFE, "payloads-propertyset-quality-value-type")
def _quality_is_an_int32(life: Life) -> None:
    assert {one.properties["Quality"].datatype for one in with_quality(life)} == {Datatype.INT32}


@asserts(LIFE, "payloads-propertyset-quality-value-value")
def _quality_is_one_of_three(life: Life) -> None:
    assert {one.properties["Quality"].value for one in with_quality(life)} == {0, 192}
    assert all(one.null == (one.properties["Quality"].value == 0) for one in with_quality(life))
