"""What is usual for a unit of measurement, so that a wrong reading shows. Wide on purpose. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_USUAL: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "°c": (-60, 1600), "c": (-60, 1600), "degc": (-60, 1600), "°f": (-80, 3000), "k": (0, 2000),
        "%": (-5, 150), "% rh": (0, 100), "%rh": (0, 100), "ph": (0, 14),
        "bar": (-1, 1000), "mbar": (-1000, 20000), "pa": (-1e5, 1e8), "kpa": (-100, 1e5), "mpa": (-0.1, 200),
        "psi": (-15, 15000),
        "m³/h": (-1e4, 1e5), "m3/h": (-1e4, 1e5), "l/min": (-1e4, 1e5), "l/s": (-1e4, 1e5), "l/h": (-1e5, 1e6),
        "kg/h": (-1e5, 1e6), "m/s": (-500, 500), "mm/s": (-1000, 1000), "m/min": (-5000, 5000),
        "rpm": (-1e5, 1e5), "1/min": (-1e5, 1e5), "hz": (0, 10000), "khz": (0, 1000),
        "v": (-1e5, 1e5), "mv": (-1e6, 1e6), "kv": (-1000, 1000), "a": (-1e5, 1e5), "ma": (-1e6, 1e6),
        "w": (-1e9, 1e9), "kw": (-1e6, 1e6), "mw": (-5000, 5000), "va": (0, 1e9), "kva": (0, 1e6),
        "var": (-1e9, 1e9), "kvar": (-1e6, 1e6), "cosphi": (-1, 1), "cos φ": (-1, 1),
        "wh": (0, 1e13), "kwh": (0, 1e10), "mwh": (0, 1e8), "m³": (0, 1e9), "m3": (0, 1e9), "l": (0, 1e9),
        "h": (0, 1e6), "min": (0, 1e7), "s": (0, 1e9), "ms": (0, 1e9),
        "mm": (-1e5, 1e6), "cm": (-1e5, 1e5), "m": (-1e4, 1e5), "µm": (-1e6, 1e6), "kg": (-100, 1e7), "t": (-10, 1e5),
        "g": (-1e4, 1e7), "n": (-1e7, 1e7), "nm": (-1e6, 1e6), "lx": (0, 2e5), "ppm": (0, 1e6), "db": (-200, 200),
    }
)  # fmt: skip


def usual(unit: str) -> tuple[float, float] | None:
    """The span in which nearly all measurements in `unit` lie; None where it is not known."""
    return _USUAL.get(unit.strip().lower())
