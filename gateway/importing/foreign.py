"""Foreign files, hostile or not, and a way to take options out of them that notices what was left.

TOML, JSON, YAML and CSV; at most 16 MiB, nested at most 60 deep. Anything else is an error with place and remedy.
"""

import csv
import io
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from gateway.config.problems import ConfigErrors, Key, Path, Source, spell
from gateway.config.text import StopError, decode
from gateway.config.yaml import parse
from gateway.importing.report import Report
from gateway.sdk.errors import ConfigError

MAX_BYTES: Final = 16 * 2**20
MAX_DEPTH: Final = 60
MAX_ROWS: Final = 300_000  # tags that can be configured
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "yes": True, "no": False, "": False}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Foreign:
    """One file.

    Attributes:
        name: as it is told in messages.
        raw: what is in it.
    """

    name: str
    raw: bytes

    def place(self, path: Path = ()) -> str:
        """Where `path` is; a row of a CSV file is its line."""
        if path and isinstance(path[0], int) and len(path) == 1 and self.name.lower().endswith(".csv"):
            return f"{self.name}:{path[0]}"
        return f"{self.name}: {spell(path)}" if path else self.name

    def data(self) -> Any:
        """What is in it, by the end of its name: .json, .toml, .conf, .yml or .yaml."""
        suffix = self.name.lower().rpartition(".")[2]
        readers: dict[str, Callable[[], Any]] = {"json": self.json, "toml": self.toml, "conf": self.toml}
        return readers.get(suffix, self.yaml)()

    def json(self) -> Any:
        """As JSON. Raises ConfigError."""
        return self._shallow(self._parsed(orjson.loads, "JSON"))

    def toml(self) -> Any:
        """As TOML. Raises ConfigError."""
        return self._shallow(self._parsed(tomllib.loads, "TOML"))

    def yaml(self) -> Any:
        """The first document, as YAML. Raises ConfigError."""
        source = Source(self.name)
        documents = parse(self._text().encode(), source)
        if problems := source.problems():
            raise ConfigErrors(problems)
        return documents[0].data if documents else None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows of a CSV file by line, empty ones left out. Raises ConfigError."""
        reader = csv.reader(io.StringIO(self._text(), newline=""))
        try:
            for count, cells in enumerate(reader):
                if count >= MAX_ROWS:
                    raise ConfigError(f"{self.name}:{reader.line_num}: more than {MAX_ROWS} rows")
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise ConfigError(f"{self.name}:{reader.line_num}: {error}; save it as CSV UTF-8") from error

    def _text(self) -> str:
        if len(self.raw) > MAX_BYTES:
            raise ConfigError(f"{self.name}: larger than {MAX_BYTES // 2**20} MiB; import it in parts")
        try:
            return decode(self.raw)
        except StopError as stop:
            line = f":{stop.place[0]}:{stop.place[1]}" if stop.place[0] else ""
            raise ConfigError(f"{self.name}{line}: {stop.message}") from stop

    def _parsed(self, loads: Callable[[str], _T], form: str) -> _T:
        try:
            return loads(self._text())
        except RecursionError as error:
            raise ConfigError(f"{self.name}: nested deeper than {MAX_DEPTH} levels") from error
        except ValueError as error:  # both decoders' errors are ValueErrors
            raise ConfigError(f"{self.name}: not {form}: {str(error)[:200]}") from error

    def _shallow(self, data: Any) -> Any:
        level, depth = [data], 0
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise ConfigError(f"{self.name}: nested deeper than {MAX_DEPTH} levels")
            inner = [value.values() if isinstance(value, dict) else value for value in level]
            level = [one for values in inner for one in values if isinstance(one, dict | list)]
        return data


class Entry:
    """A table of a foreign file. What was not taken or skipped before `rest` is told as lost."""

    def __init__(self, data: Any, source: Foreign, report: Report, path: Path = ()) -> None:
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        self._source, self._report, self._path = source, report, path
        self._taken: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._data)

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def place(self, *keys: Key) -> str:
        """Where it, or what is at `keys` in it, stands."""
        return self._source.place((*self._path, *keys))

    def raw(self, key: str) -> Any:
        """What stands there; None where nothing does."""
        self._taken.add(key)
        return self._data.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A text; a number is one too."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip()
        return self._wrong(key, "is no text", default)

    def number(self, key: str, default: float = 0.0) -> float:
        """A number, also one in quotes."""
        value = self.raw(key)
        if value is None or value == "":
            return default
        try:
            found = float(value) if isinstance(value, str | int | float) else None
        except (ValueError, OverflowError):
            found = None
        if found is None or isinstance(value, bool) or found - found != 0:  # not for NaN and infinity
            return self._wrong(key, "is no number", default)
        return found

    def whole(self, key: str, default: int = 0) -> int:
        """A whole number."""
        found = self.number(key, default)
        return int(found) if found == int(found) else self._wrong(key, "is no whole number", default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false, also as 0 and 1 or in quotes."""
        value = self.raw(key)
        if value is None:
            return default
        word = str(value).strip().lower()
        return _FLAGS[word] if word in _FLAGS else self._wrong(key, "is neither true nor false", default)

    def table(self, key: str) -> "Entry":
        """A table; an empty one where there is none."""
        value = self.raw(key)
        if value is not None and not isinstance(value, Mapping):
            self._wrong(key, "is no table", None)
        return self._inner(value, key)

    def tables(self, key: str) -> list["Entry"]:
        """The tables of a list."""
        value = self.raw(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            return [self._inner(one, key, number) for number, one in enumerate(value)]
        return self._wrong(key, "is no list of tables", [])

    def texts(self, key: str) -> list[str]:
        """The texts of a list."""
        value = self.raw(key)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        return [str(one).strip() for one in listed if isinstance(one, str | int)]

    def skip(self, *keys: str) -> None:
        """What has no bearing on what is read."""
        self._taken.update(keys)

    def lost(self, key: str, why: str) -> None:
        """Tell that what stands there, if anything does, has no counterpart."""
        if self.raw(key) not in (None, "", 0, False, [], {}):
            self._report.lost(self.place(key), why)

    def changed(self, key: str, why: str) -> None:
        """Tell that what stands there, if anything does, means something else here."""
        if self.raw(key) not in (None, "", 0, False, [], {}):
            self._report.changed(self.place(key), why)

    def rest(self) -> None:
        """Tell of everything that was not taken."""
        for key in self:
            if key not in self._taken:
                self.lost(key, "there is no such option here")

    def _inner(self, data: Any, *keys: Key) -> "Entry":
        return Entry(data, self._source, self._report, (*self._path, *keys))

    def _wrong(self, key: str, why: str, default: _T) -> _T:
        self._report.lost(self.place(key), why)
        return default
