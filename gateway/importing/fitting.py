"""Do the adapters take what was found? What a table refuses is left out and told, so that `check` takes the rest."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from gateway.config.tree import SecretRef
from gateway.importing.found import Found
from gateway.importing.report import Report
from gateway.sdk.config import DeviceConfig
from gateway.sdk.errors import ConfigError


def fit(devices: list[Found], models: Mapping[str, type[DeviceConfig]], report: Report) -> list[Found]:
    """Those of `devices` that their adapter's table takes, without the tags that it refuses.

    Args:
        devices: as the readers found them.
        models: the table of each adapter, by name.
        report: is told of what is refused.

    Raises:
        ConfigError: an adapter is not installed.
    """
    fitting = [device for device in devices if _fits(device, _model(device, models), report)]
    for device in fitting:
        for tag, place in device.places.items():
            if tag in device.tags:
                report.mapped(place, f"{device.name}.{tag}")
    return fitting


def _model(device: Found, models: Mapping[str, type[DeviceConfig]]) -> type[DeviceConfig]:
    try:
        return models[device.adapter]
    except KeyError as error:
        raise ConfigError(f"{device.place}: needs the adapter '{device.adapter}', which is not installed") from error


def _fits(device: Found, model: type[DeviceConfig], report: Report) -> bool:
    """Whether there is something of it that can be read; tags that are refused go."""
    while device.tags:
        try:
            model.model_validate(_filled(device.table()), context={"written": True})
        except ValidationError as error:
            refused = {
                _tag(found["loc"]): _said(found) for found in error.errors(include_url=False, include_input=False)
            }
            if not refused.keys() <= device.tags.keys():
                report.lost(device.place, f"{device.name}: {next(iter(refused.values()))}")
                return False
            for tag, why in refused.items():
                report.lost(device.places[tag], f"{tag}: {why}")
                del device.tags[tag]
        else:
            return True
    report.lost(device.place, f"{device.name}: nothing of it can be read")
    return False


def _tag(loc: tuple[int | str, ...]) -> str:
    """The tag that an error is about; "" for the device."""
    return str(loc[1]) if len(loc) > 1 and loc[0] == "tags" else ""


def _said(found: Mapping[str, Any]) -> str:
    option = ".".join(str(step) for step in found["loc"] if step != "tags")
    return f"{option}: {str(found['msg']).removeprefix('Value error, ')}"


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    """The table with something in the place of each secret."""
    return {key: SecretStr("supplied later") if isinstance(value, SecretRef) else value for key, value in table.items()}
