"""The adapters that are installed: by entry point, imported only when a configuration names them.

A plugin that cannot be used raises PluginError with its reason, the same at every asking; all others go on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from gateway.config.problems import PluginError
from gateway.ingest.approved import refusal
from gateway.sdk.adapter import API_VERSION, Adapter
from gateway.sdk.config import DeviceConfig

GROUP: Final = "fieldgate.adapters"


@dataclass(frozen=True, slots=True)
class Plugin:
    """An adapter as its distribution declares it. Nothing of it has been imported.

    Attributes:
        name: what a device writes as its `adapter`.
        distribution: that brings it, "" where it is not known.
        version: of the distribution.
        target: `module:class`.
    """

    name: str
    distribution: str
    version: str
    target: str


class Registry:
    """Adapters by name."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        """Look at what is installed, or at the entry points given."""
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=GROUP) if found is None else found:
            self._entries.setdefault(entry.name, []).append(entry)
        self._adapters: dict[str, type[Adapter]] = {}
        self._broken: dict[str, PluginError] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every adapter, sorted."""
        return tuple(sorted(self._entries))

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every adapter and where it comes from, sorted by name, without an import."""
        return tuple(_plugin(entry) for name in self.names for entry in self._entries[name])

    def adapter(self, name: str) -> type[Adapter]:
        """The class of adapter `name`; imported at the first asking.

        Raises:
            KeyError: there is no such adapter.
            PluginError: it is installed and cannot be used.
        """
        if name in self._broken:
            raise self._broken[name]
        if name not in self._adapters:
            try:
                self._adapters[name] = _usable(name, self._entries[name])
            except PluginError as error:
                self._broken[name] = error
                raise
        return self._adapters[name]

    def models(self) -> Mapping[str, type[DeviceConfig]]:
        """The table of each adapter; looking one up imports its plugin, iterating imports nothing."""
        return _Models(self)


class _Models(Mapping[str, type[DeviceConfig]]):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> type[DeviceConfig]:
        return self._registry.adapter(name).Config

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names)

    def __len__(self) -> int:
        return len(self._registry.names)


def _plugin(entry: EntryPoint) -> Plugin:
    dist = entry.dist
    return Plugin(entry.name, dist.name if dist else "", dist.version if dist else "", entry.value)


def _usable(name: str, entries: list[EntryPoint]) -> type[Adapter]:
    """The one adapter called `name`, imported and looked at. Raises PluginError."""
    origin = _plugin(entries[0]).distribution
    if len({entry.value for entry in entries}) > 1:
        sources = ", ".join(f"{_plugin(entry).distribution or entry.value}" for entry in entries)
        raise PluginError(name, "", f"several distributions bring an adapter of that name: {sources}")
    if reason := refusal(entries[0]):
        raise PluginError(name, origin, reason)
    try:
        adapter = entries[0].load()
        reason = _fault(adapter)
    except (Exception, SystemExit) as error:  # the adapters' door (see runner.py) begins at their import
        raise PluginError(name, origin, f"{type(error).__name__}: {error}") from error
    if reason:
        raise PluginError(name, origin, reason)
    return adapter  # type: ignore[no-any-return]  # looked at above


def _fault(adapter: Any) -> str:
    """Why `adapter` cannot be used, or ""."""
    if not (isinstance(adapter, type) and issubclass(adapter, Adapter)):
        return "it is no gateway.sdk.Adapter"
    if adapter.api_version != API_VERSION:
        return f"it speaks API version {adapter.api_version}, this gateway {API_VERSION}"
    config = getattr(adapter, "Config", None)
    if not (isinstance(config, type) and issubclass(config, DeviceConfig)):
        return "its Config is no gateway.sdk.DeviceConfig"
    return ""
