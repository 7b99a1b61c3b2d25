"""From files to a checked configuration: `fieldgate.yaml` and the `devices.d/*.yaml` beside it, every problem at once.

Included files and templates are followed first (`include`, `expand`), so that what is checked is what they come to.

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

from gateway.config.conditions import check_conditions
from gateway.config.expand import Expander
from gateway.config.files import FOLDER, Library, make_absolute, secrets_dir
from gateway.config.fill import Budget, TooMuchError
from gateway.config.include import Includer
from gateway.config.jsonschema import leaves, table_schema
from gateway.config.problems import PLUGIN_FAULTS, ConfigErrors, PluginError, Problem, did_you_mean
from gateway.config.references import check_assets, check_names, check_size
from gateway.config.schema import Root
from gateway.config.secrets import Secrets, refuse_plain, secret_words
from gateway.config.shelf import Disk, Kept, Shelf
from gateway.config.templates import Templates
from gateway.config.tree import Document
from gateway.config.wording import add_findings, as_text
from gateway.config.writes import check_writes
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
        content: what each of them said, by its path as seen from the folder of the first.
    """

    root: Root
    devices: tuple[DeviceConfig, ...]
    broken: Mapping[str, str]
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]
    content: Mapping[str, bytes]


def load(
    path: Path,
    models: Mapping[str, type[DeviceConfig]],
    environ: Mapping[str, str] | None = None,
    kept: Mapping[str, bytes] | None = None,
) -> Configuration:
    """Read and check the configuration at `path`.

    Args:
        path: of `fieldgate.yaml`.
        models: the table of each adapter, by name. Looking one up may import it, and may raise PluginError.
        environ: where systemd says where its credentials are; the process's own unless given.
        kept: the `content` of an earlier reading, which is read again in the place of the files.

    Raises:
        ConfigErrors: with every problem of every file.
    """
    return load_written(path, models, environ, kept)[0]


def load_written(
    path: Path,
    models: Mapping[str, type[DeviceConfig]],
    environ: Mapping[str, str] | None = None,
    kept: Mapping[str, bytes] | None = None,
) -> tuple[Configuration, list[Document]]:
    """As `load`, and with it what was written, templates and includes followed: the main file, then every device."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps '..', and included files go by folder
    shelf = Disk() if kept is None else Kept(path.parent, kept)
    loader = _Loader(path, models, os.environ if environ is None else environ, shelf)
    found = loader.load()
    return found, loader.documents


class _Loader:
    """One reading of one configuration."""

    def __init__(
        self, path: Path, models: Mapping[str, type[DeviceConfig]], environ: Mapping[str, str], shelf: Shelf
    ) -> None:
        self._models = models
        self._library = Library(path.parent, shelf)
        self._main = self._library.read(path)
        self._devices = self._library.device_files(self._main)
        self._budget = Budget()
        self._complete = True  # whether all that is written could be followed
        self._documents = self._follow()
        self._secrets = Secrets.of(environ, secrets_dir(self._main))
        self._words: set[str] = set()  # names of options that hold secrets
        self._broken: dict[str, str] = {}
        self._unusable: dict[str, str] = {}  # adapters, and why

    @property
    def documents(self) -> list[Document]:
        """What was written: the main file, then every device."""
        return [*self._main.documents[:1], *self._documents]

    def load(self) -> Configuration:
        """All steps. Raises ConfigErrors."""
        root = self._root()
        devices = [device for document in self._documents if (device := self._device(document))]
        check_names(self._documents)
        sources = self._library.sources()
        if self._main.documents and self._complete and all(source.readable for source in sources):
            check_assets(self._main.documents[0], self._documents)
            check_conditions(self._main.documents[0], self._documents)
            check_writes(self._main.documents[0], self._documents)
        problems = [problem for source in sources for problem in source.problems(self._words)]
        if problems or root is None:
            raise ConfigErrors(problems)
        if not devices:
            self._main.source.warn((1, 1), (), f"no device is configured; they belong into {FOLDER}/*.yaml")
        warnings = tuple(problem for source in sources for problem in source.warnings(self._words))
        files = tuple(file.path for file in self._library.files.values())
        return Configuration(root, tuple(devices), self._broken, warnings, files, self._library.content())

    def _follow(self) -> list[Document]:
        """The devices, with what the files include and what they use of templates; the main file likewise, in place."""
        includer = Includer(self._library, self._budget)
        expander = Expander(Templates(self._library, self._main, includer), self._budget)
        found: list[Document] = []
        tags = 0
        for file in (self._main, *self._devices):
            for index, document in enumerate(file.documents):
                try:
                    includer.resolve(document)
                    if file is self._main:
                        file.documents[index] = expander.assets(document)
                        continue
                    made = expander.devices(document)
                    tags += check_size(len(found) + len(made), made, tags)
                except TooMuchError as error:
                    document.note((), str(error))
                    self._complete = False
                    return found
                found += made
        self._complete = includer.complete and expander.complete
        return found

    def _root(self) -> Root | None:
        source = self._main.source
        if source.readable and not self._main.documents:
            source.add((1, 1), (), "the file is empty", "gateway: {id: NAME} is the least")
        for document in self._main.documents[1:]:
            source.add(document.place(()), (), f"one document only; devices belong into {FOLDER}/*.yaml")
        return self._check(Root, self._main.documents[0]) if self._main.documents else None

    def _device(self, document: Document) -> DeviceConfig | None:
        """The device of one document, in its adapter's table. None when something is wrong with it, which is noted."""
        adapter = document.data.get("adapter") if isinstance(document.data, dict) else None
        model = self._table(adapter, document) if isinstance(adapter, str) else UnreadDevice
        reason = self._unusable.get(str(adapter), "")
        try:
            device = self._check(model, document)
        except PLUGIN_FAULTS as error:  # the plugin's own validator failed: no fault of whoever wrote the file
            reason = f"the table of adapter '{adapter}' failed: {type(error).__name__}: {error}"
            document.warn((), reason, "the device is not read")
            device = self._check(UnreadDevice, document)
        if device and isinstance(device, UnreadDevice):
            self._broken[device.device] = reason
        return device

    def _table(self, adapter: str, document: Document) -> type[DeviceConfig]:
        """The table of `adapter`; one that takes anything where there is no such adapter, or where it is broken."""
        if adapter in self._unusable:
            return UnreadDevice
        try:
            model = self._models[adapter]
            table_schema(model)
        except KeyError:
            hint = did_you_mean(adapter, self._models) or "installed: " + ", ".join(sorted(self._models))
            document.note(("adapter",), f"there is no adapter '{adapter}'", hint)
        except (PluginError, PydanticInvalidForJsonSchema) as error:
            self._unusable[adapter] = str(error)
            document.warn(("adapter",), str(error), "its devices are not read")
        else:
            return model
        return UnreadDevice

    def _check(self, table: type[_T], document: Document) -> _T | None:
        """`document` as a `table`; None when something is wrong with it, which is noted."""
        secrets = leaves(table, "password")
        self._words |= secret_words(secrets)
        self._secrets.resolve(document)
        refuse_plain(document, secrets)
        make_absolute(document, leaves(table, "path"), self._secrets.credentials)
        for last in (False, True):
            try:
                return table.model_validate(document.data, context={"written": True})
            except ValidationError as error:
                if last or not as_text(error, document):
                    add_findings(error, document, table_schema(table))
                    break
        return None
