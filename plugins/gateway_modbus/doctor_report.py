"""What `doctor` has found, for people and for machines, with the lines to paste. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from gateway_modbus.coding import Coding, spelt
from gateway_modbus.doctor_rank import Reading, certainty
from gateway_modbus.tag import ModbusTag

SHOWN: Final = 6  # readings of a tag that a person is shown
_OF_TYPE: Final = ("type", "order", "bit", "mask", "byte", "length", "enum", "write_function")  # go with the type
_DURATIONS: Final = ("every", "stale_after")


@dataclass(frozen=True, slots=True)
class TagFinding:
    """The readings of one tag, the most plausible first; none where it could not be read, as `trouble` says."""

    name: str
    tag: ModbusTag
    readings: Sequence[Reading]
    configured: Coding
    device_order: str
    trouble: str = ""

    @property
    def line(self) -> str:
        """The line to paste into the device's file; "" without a reading."""
        return tag_line(self.name, self.tag, self.readings[0].coding, self.device_order) if self.readings else ""

    def shown(self, reading: Reading) -> float | int | str:
        """The last value of a reading in engineering units."""
        last = reading.values[-1]
        return last if isinstance(last, str) else last * self.tag.scale + self.tag.offset

    def as_json(self) -> dict[str, Any]:
        """For machines: every reading."""
        least = self.readings[0].bits if self.readings else 0.0
        readings = [
            {
                "type": reading.coding.type,
                "order": reading.coding.order,
                "values": list(reading.values),
                "shown": self.shown(reading),
                "bits": round(reading.bits - least, 1),
            }
            for reading in self.readings
        ]
        sure = round(certainty(self.readings), 3) if self.readings and not self.trouble else 0.0
        return {
            "tag": self.name, "address": self.tag.at.wire, "line": self.line, "sure": sure, "trouble": self.trouble,
            "readings": readings,
        }  # fmt: skip

    def render(self, shown: int = SHOWN) -> list[str]:
        """For people."""
        lines = [f"{self.name}  {self.tag.at.wire}"]
        if not self.readings:
            return [*lines, f"  {self.trouble}"]
        lines[0] += f"  {self.trouble or f'{certainty(self.readings):.0%} sure'}"
        for reading in self.readings[:shown]:
            mark = "as configured" if reading.coding == self.configured else ""
            value = self.shown(reading)
            text = f"{value:.10g} {self.tag.unit}" if isinstance(value, float) else f"{value} {self.tag.unit}"
            lines.append(f"  {reading.coding.type:8} {reading.coding.order:9} {text:24} {mark}".rstrip())
        return [*lines, f"  paste:  {self.line}"]


@dataclass(slots=True)
class Findings:
    """All that was found."""

    device: str
    connect: str
    ok: bool = True  # whether the unit answers
    facts: dict[str, Any] = field(default_factory=dict)  # in words, by what they are about
    settings: dict[str, Any] = field(default_factory=dict)  # options of the device that should be other than they are
    tags: list[TagFinding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "device": self.device, "connect": self.connect, "ok": self.ok, "facts": self.facts,
            "settings": self.settings, "tags": [tag.as_json() for tag in self.tags],
        }  # fmt: skip

    def render(self, *, everything: bool = False) -> str:
        """For people."""
        width = max(map(len, self.facts), default=0)
        lines = [f"{self.device}  {self.connect}"]
        for name, fact in self.facts.items():
            lines.append(f"  {name:{width}}  {_words(fact)}")
        if self.settings:
            lines += ["", "settings to paste:", *(f"  {setting_line(*item)}" for item in self.settings.items())]
        for tag in self.tags:
            lines += ["", *tag.render(len(tag.readings) if everything else SHOWN)]
        return "\n".join(lines)

    def device_file(self) -> str:
        """A file for devices.d/: what should be set, and each tag under its likeliest type, with how likely that is."""
        said = "; ".join(
            f"{name}: {_words(self.facts[name])}" for name in ("identification", "sunspec") if name in self.facts
        )
        head = {"device": self.device, "adapter": "modbus", "connect": self.connect, "every": "1s", **self.settings}
        lines = ["# By `fieldgate doctor --yaml`: rename what you recognise, and remove the rest.", f"# {_plain(said)}"]
        lines += [setting_line(*item) for item in head.items()]
        return "\n".join([*lines, "tags:", *(f"  {_judged(tag)}" for tag in self.tags)])


def _judged(tag: TagFinding) -> str:
    if tag.trouble:
        return f"# {tag.trouble}: {tag.line or tag.name}"
    now = tag.shown(tag.readings[0])
    return f"{tag.line}  # {certainty(tag.readings):.0%} sure; {f'{now:.6g}' if isinstance(now, float) else now} now"


def _plain(text: str) -> str:
    """What a device says of itself cannot end a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def setting_line(name: str, value: Any) -> str:
    """One option of a device as its file has it."""
    return f"{name}: {_flow(value)}"


def tag_line(name: str, tag: ModbusTag, coding: Coding, device_order: str) -> str:
    """`tag` as its device's file has it, read as `coding` says; what goes with another type is left out."""
    given = tag.model_dump(mode="json", exclude_unset=True)
    kept = {key: value for key, value in given.items() if key not in _OF_TYPE and key != "at"}
    for key in _DURATIONS:
        if kept.get(key) is not None:
            kept[key] = f"{kept[key]:.6f}".rstrip("0").rstrip(".") + "s"
    return f"{name}: {_flow({'at': str(tag.at), **_typed(coding, device_order), **kept})}"


def _typed(coding: Coding, device_order: str) -> dict[str, Any]:
    typed: dict[str, Any] = {"type": coding.type}
    width = 1 if coding.type == "string" else coding.registers
    if spelt(coding.order, width) != spelt(device_order, width):  # type: ignore[arg-type] # one of the four
        typed["order"] = coding.order
    if coding.high:
        typed["byte"] = "high"
    if coding.length:
        typed["length"] = coding.length
    return typed


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _words(fact: Any) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {value}" for name, value in fact.items())
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)
