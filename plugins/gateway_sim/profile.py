"""What a profile of simulated Modbus units says: the tags of a device's own file, with waves, and what goes wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from gateway.sdk import Delay, FieldgateError, Name, Table
from gateway_modbus.coding import Order
from gateway_modbus.config import Hole
from gateway_modbus.tag import ModbusTag
from gateway_sim.config import SimTag, Wave


class ProfileError(FieldgateError):
    """The profile cannot be used. The message names the place."""


class ProfileTag(SimTag, ModbusTag):
    """One tag: where it lies and how it is coded as a device's file says, and how it moves, in engineering units."""

    wave: Wave = "constant"
    """Form of the signal: constant (holds what is written to it), sine, ramp (saw-tooth), square or noise."""
    text: str = ""
    """What a string holds."""


class Faults(Table):
    """What goes wrong with a unit."""

    delay: Delay = 0.0
    """Time to answer."""
    silent: bool = False
    """It takes requests and never answers."""
    exception: int | None = Field(default=None, ge=1, le=255)
    """Code with which it answers everything; 6 is busy, 11 a gateway whose unit is away."""
    pause: Delay = 0.0
    """Requests that come sooner than this behind the last one are ignored."""
    max_registers: int = Field(default=125, ge=1, le=125)
    """Registers of one request; more are answered by exception 3."""
    holes: Sequence[Hole] = Field(default=[])
    """Addresses that are answered by exception 2, as in ["holding:120-129"]."""


class ProfileUnit(Table):
    """One unit."""

    order: Order = "ABCD"
    """Order of the bytes of values on the wire."""
    tags: Mapping[Name, ProfileTag] = Field(min_length=1)
    """The tags, by name; what lies between them is 0, what lies behind the last is answered by exception 2."""
    faults: Faults = Faults()
    """What goes wrong from the start; commands change it."""
    identification: Mapping[str, str] = Field(default={})
    """What it says of itself: vendor, product_code, revision, url, product, model, application."""


def _unit_numbers(value: object) -> object:
    return {int(key): unit for key, unit in value.items()} if isinstance(value, Mapping) else value


class Profile(Table):
    """Units behind one port."""

    port: int = Field(default=0, ge=0, le=65535)
    """Port on 127.0.0.1; 0 takes a free one."""
    connections: int = Field(default=0, ge=0)
    """Connections that are served at once; one more is closed at once. 0 is no limit."""
    units: Annotated[Mapping[int, ProfileUnit], BeforeValidator(_unit_numbers)] = Field(min_length=1)
    """The units, by number."""


def load(path: Path) -> Profile:
    """Read a profile. Raises ProfileError."""
    try:
        return Profile.model_validate(yaml.safe_load(path.read_text()), context={"written": True})
    except (OSError, yaml.YAMLError) as error:
        raise ProfileError(f"{path}: {error}") from error
    except (ValidationError, ValueError) as error:
        raise ProfileError(f"{path}: {_first(error)}") from error


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
