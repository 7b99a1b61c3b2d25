"""The schema for editors accepts what the gateway accepts of templates, parameters and files, and still finds slips."""

from typing import Any

import jsonschema
import pytest

from gateway.config.jsonschema import device_schema, main_schema
from gateway.ingest.registry import Registry

DEVICE: dict[str, Any] = {"device": "a", "adapter": "modbus", "connect": "tcp://a", "tags": {"t": {"at": "holding:1"}}}


def is_fine(schema: dict[str, Any], value: Any) -> bool:
    return not list(jsonschema.Draft202012Validator(schema).iter_errors(value))


@pytest.fixture(scope="module")
def devices() -> dict[str, Any]:
    return device_schema(Registry().models())


@pytest.mark.parametrize(
    "change",
    [
        {"tags": "pump.csv"}, {"tags": {"t": {"at": "holding:1", "scale": "${scale}"}}}, {"device": "p-${n:03}"},
        {"for": {"n": "1..20"}, "gap": "${gap}"}, {"for": "machines.csv"}, {"holes": "holes.yaml"},
    ],
)  # fmt: skip
def test_a_device_may_hold_parameters_and_files(devices: dict[str, Any], change: dict[str, Any]) -> None:
    assert is_fine(devices, DEVICE | change)


def test_what_is_required_may_come_from_a_template(devices: dict[str, Any]) -> None:
    assert is_fine(devices, {"device": "a", "use": "pump@2", "with": {"host": "b"}})
    assert is_fine(devices, {"device": "a", "use": ["a", "b"], "adapter": "modbus"})
    assert not is_fine(devices, {"device": "a"})


@pytest.mark.parametrize("change", [{"tags": "pump"}, {"gap": "wide"}, {"gpa": 1}, {"use": 5}, {"with": 5}, {"for": 5}])
def test_slips_are_still_found(devices: dict[str, Any], change: dict[str, Any]) -> None:
    assert not is_fine(devices, DEVICE | change)


def test_assets_may_be_made_of_templates_too() -> None:
    schema = main_schema()
    main = {"gateway": {"id": "a"}}
    assert is_fine(
        schema, main | {"assets": {"p-${n}": {"for": {"n": "1..3"}, "use": "watched", "with": {"d": "${n}"}}}}
    )
    assert is_fine(schema, main | {"assets": {"p": {"tags": "tags.yaml", "alarm": {"severity": "${s}"}}}})
    assert is_fine(schema, main | {"assets": "assets.yaml", "mqtt": "mqtt.yaml"})
    assert not is_fine(schema, main | {"assets": {"p": {"alarm": {}}}})
    assert not is_fine(schema, main | {"assets": {"p": {"tags": [], "alarm": {"severty": "high"}}}})
    assert not is_fine(schema, {"gateway": {"id": "${x}"}})
