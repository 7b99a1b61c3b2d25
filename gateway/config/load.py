"""From files to a checked configuration: `fieldgate.yaml` and the `devices.d/*.yaml` beside it, every problem at once.

Adapters' tables are handed in and imported only when a device names them. A plugin that cannot be used costs its
devices, not the gateway: they are kept with a table that takes anything, and a warning says why.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from gateway.config.files import FOLDER, File, device_files, make_absolute, read, secrets_dir
from gateway.config.jsonschema import leaves, table_schema
from gateway.config.problems import PLUGIN_FAULTS, ConfigErrors, PluginError, Problem, did_you_mean
from gateway.config.references import check_assets, check_names
from gateway.config.schema import Root
from gateway.config.secrets import Secrets, refuse_plain, secret_words
from gateway.config.wording import add_findings
from gateway.config.yaml import Document
from gateway.sdk.config import DeviceConfig, Name, TagConfig

_T = TypeVar("_T", bound=BaseModel)


class UnreadTag(TagConfig):
    """A tag whose adapter is not there to say what belongs in it."""

    model_config = ConfigDict(extra="allow")


class UnreadDevice(DeviceConfig):
    """A device whose adapter is not there to say what belongs in it."""

    model_config = ConfigDict(extra="allow")

    tags: Mapping[Name, UnreadTag] = Field(min_length=1)
    """The tags, by name."""


@dataclass(frozen=True)
class Configuration:
    """Everything that the files say, checked.

    Attributes:
        root: `fieldgate.yaml`.
        devices: in the order of the files; each is its adapter's own table.
        broken: devices that nothing can read, and why; their table is `UnreadDevice`.
        warnings: what is odd and does not stop the gateway.
        files: every file that was read.
    """

    root: Root
    devices: tuple[DeviceConfig, ...]
    broken: Mapping[str, str]
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]


def load(
    path: Path, models: Mapping[str, type[DeviceConfig]], environ: Mapping[str, str] | None = None
) -> Configuration:
    """Read and check the configuration at `path`.

    Args:
        path: of `fieldgate.yaml`.
        models: the table of each adapter, by name. Looking one up may import it, and may raise PluginError.
        environ: where systemd says where its credentials are; the process's own unless given.

    Raises:
        ConfigErrors: with every problem of every file.
    """
    return _Loader(path, models, os.environ if environ is None else environ).load()


class _Loader:
    """One reading of one configuration."""

    def __init__(self, path: Path, models: Mapping[str, type[DeviceConfig]], environ: Mapping[str, str]) -> None:
        self._models = models
        self._main = read(path, path.parent)
        self._files = [self._main, *(read(found, path.parent) for found in device_files(path.parent, self._main))]
        self._secrets = Secrets.of(environ, secrets_dir(self._main))
        self._words: set[str] = set()  # names of options that hold secrets
        self._broken: dict[str, str] = {}
        self._unusable: dict[str, str] = {}  # adapters, and why

    def load(self) -> Configuration:
        """All steps. Raises ConfigErrors."""
        root = self._root()
        pairs = [(document, file) for file in self._files[1:] for document in file.documents]
        devices = [device for document, file in pairs if (device := self._device(document, file))]
        check_names([(document, file.source) for document, file in pairs])
        if self._main.documents and all(file.source.readable for file in self._files):
            check_assets(self._main.documents[0], [document for document, _ in pairs], self._main.source)
        problems = [problem for file in self._files for problem in file.source.problems(self._words)]
        if problems or root is None:
            raise ConfigErrors(problems)
        if not devices:
            self._main.odd.add((1, 1), (), f"no device is configured; they belong into {FOLDER}/*.yaml")
        warnings = tuple(problem for file in self._files for problem in file.odd.problems(self._words))
        return Configuration(root, tuple(devices), self._broken, warnings, tuple(file.path for file in self._files))

    def _root(self) -> Root | None:
        source = self._main.source
        if source.readable and not self._main.documents:
            source.add((1, 1), (), "the file is empty", "gateway: {id: NAME} is the least")
        for document in self._main.documents[1:]:
            source.add(document.place(()), (), f"one document only; devices belong into {FOLDER}/*.yaml")
        return self._check(Root, self._main.documents[0], self._main) if self._main.documents else None

    def _device(self, document: Document, file: File) -> DeviceConfig | None:
        """The device of one document, in its adapter's table. None when something is wrong with it, which is noted."""
        adapter = document.data.get("adapter") if isinstance(document.data, dict) else None
        model = self._table(adapter, document, file) if isinstance(adapter, str) else UnreadDevice
        reason = self._unusable.get(str(adapter), "")
        try:
            device = self._check(model, document, file)
        except PLUGIN_FAULTS as error:  # the plugin's own validator failed: no fault of whoever wrote the file
            reason = f"the table of adapter '{adapter}' failed: {type(error).__name__}: {error}"
            file.odd.add(document.place(()), (), reason, "the device is not read")
            device = self._check(UnreadDevice, document, file)
        if device and isinstance(device, UnreadDevice):
            self._broken[device.device] = reason
        return device

    def _table(self, adapter: str, document: Document, file: File) -> type[DeviceConfig]:
        """The table of `adapter`; one that takes anything where there is no such adapter, or where it is broken."""
        if adapter in self._unusable:
            return UnreadDevice
        try:
            model = self._models[adapter]
            table_schema(model)
        except KeyError:
            hint = did_you_mean(adapter, self._models) or "installed: " + ", ".join(sorted(self._models))
            file.source.add(document.place(("adapter",)), ("adapter",), f"there is no adapter '{adapter}'", hint)
        except (PluginError, PydanticInvalidForJsonSchema) as error:
            self._unusable[adapter] = str(error)
            file.odd.add(document.place(("adapter",)), (), str(error), "its devices are not read")
        else:
            return model
        return UnreadDevice

    def _check(self, table: type[_T], document: Document, file: File) -> _T | None:
        """`document` as a `table`; None when something is wrong with it, which is noted."""
        secrets = leaves(table, "password")
        self._words |= secret_words(secrets)
        self._secrets.resolve(document, file.source)
        refuse_plain(document, secrets, file.source)
        make_absolute(document, leaves(table, "path"), file.path.parent)
        try:
            return table.model_validate(document.data, context={"written": True})
        except ValidationError as error:
            add_findings(error, document, table_schema(table), file.source)
        return None
