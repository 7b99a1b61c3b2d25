"""What is said when a configuration is wrong: where, a plain sentence, the remedy, the line itself.

All problems of all files are gathered and shown at once. A secret written in plain text is never shown.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, Final

from gateway.sdk.errors import ConfigError, FieldgateError

Key = str | int
Path = tuple[Key, ...]
Place = tuple[int, int]  # line and column, both from 1

MAX_SHOWN: Final = 100
MAX_SOURCE_LINE: Final = 2000  # nobody reads a longer one, and there may be a problem at each of its words
MAX_TEXT: Final = 300  # characters of a path or a sentence
MAX_SLIP: Final = 3  # a misspelling is at most this much longer or shorter
MAX_LINE: Final = 120  # characters of a source line that are shown
SECRET_WORDS: Final = frozenset({"password", "passwd", "passphrase", "secret", "token", "credential"})

# What a plugin's own code may fail with while it is imported or reads its table; it costs its devices, not the gateway.
PLUGIN_FAULTS: Final = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, FieldgateError,
)  # fmt: skip


class PluginError(FieldgateError):
    """An adapter is installed and cannot be used; only its devices are lost.

    Attributes:
        name: of the adapter.
        distribution: that brought it, "" where it is not known.
        reason: a sentence.
    """

    def __init__(self, name: str, distribution: str, reason: str) -> None:
        origin = f" (from {distribution})" if distribution else ""
        super().__init__(f"adapter '{name}'{origin} cannot be used: {reason}")
        self.name, self.distribution, self.reason = name, distribution, reason


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong, and where. Line and column count from 1; line 0 is the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    source_line: str = ""
    used_by: str = ""  # what was made from it, and where that is written

    def __str__(self) -> str:
        """The problem on one line."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        used = f"; used by {self.used_by}" if self.used_by else ""
        return f"{place}: {path}{self.message}{hint}{used}"

    def render(self) -> str:
        """The problem, the source line under it, and a caret under the place."""
        return "\n".join([str(self), *self._caret()])

    def _caret(self) -> Iterator[str]:
        if not self.source_line.strip():
            return
        cut = max(0, self.column - MAX_LINE + 20)
        shown = "".join(sign if sign.isprintable() else " " for sign in self.source_line[cut : cut + MAX_LINE])
        yield f"    {shown}"
        if self.column - 1 - cut <= len(shown):
            yield "    " + " " * _width(shown[: self.column - 1 - cut]) + "^"


class ConfigErrors(ConfigError):  # noqa: N818 - many problems in one error, and it is a ConfigError
    """All that is wrong with a configuration, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__(self.render())

    def render(self) -> str:
        """Every problem with its caret; past the first hundred only how many there are."""
        shown = [problem.render() for problem in self.problems[:MAX_SHOWN]]
        more = len(self.problems) - MAX_SHOWN
        return "\n".join([*shown, f"... and {more} more"] if more > 0 else shown)

    def as_json(self) -> list[dict[str, Any]]:
        """The problems as plain tables, for machines."""
        return [asdict(problem) for problem in self.problems]


@dataclass(slots=True)
class _Finding:
    message: str
    hint: str
    users: dict[str, None] = field(default_factory=dict)

    def used_by(self) -> str:
        more = f" and {len(self.users) - 1} more" if len(self.users) > 1 else ""
        return next(iter(self.users), "") + more


_Findings = dict[tuple[Place, Path], _Finding]


@dataclass(slots=True, eq=False)
class Source:
    """One file: its lines, what was found wrong or odd in it, and the places of secrets that must not be shown."""

    file: str
    folder: PurePath = field(default_factory=PurePath)
    lines: list[str] = field(default_factory=list)
    readable: bool = True
    hidden: set[Place] = field(default_factory=set)
    cells: dict[Place, str] | None = None  # of a CSV file: what stands in the cells that were read as numbers or words
    _wrong: _Findings = field(default_factory=dict)
    _odd: _Findings = field(default_factory=dict)

    def add(self, place: Place, path: Path, message: str, hint: str = "", user: str = "") -> None:
        """Note a problem, and what was made from the value; of several on one value the first stands."""
        _note(self._wrong, (place, path), _Finding(message, hint), user)

    def warn(self, place: Place, path: Path, message: str, hint: str = "", user: str = "") -> None:
        """Note what is odd and stops nothing."""
        _note(self._odd, (place, path), _Finding(message, hint), user)

    def problems(self, secret_words: Iterable[str] = ()) -> list[Problem]:
        """The problems noted. Source lines end where a value of one of `secret_words` begins."""
        return self._told(self._wrong, secret_words)

    def warnings(self, secret_words: Iterable[str] = ()) -> list[Problem]:
        """What was noted as odd."""
        return self._told(self._odd, secret_words)

    def _told(self, findings: _Findings, secret_words: Iterable[str]) -> list[Problem]:
        words = "|".join([*SECRET_WORDS, *(rf"\b{re.escape(word)}" for word in secret_words)])
        secret = re.compile(rf"""((?:{words})["']?\s*:\s*)(?!!secret\b)\S.*""", re.IGNORECASE)
        return [
            Problem(
                self.file, *place, _tidy(spell(path)), _tidy(found.message), _tidy(found.hint),
                self._line(place[0], secret), _tidy(found.used_by()),
            )
            for (place, path), found in findings.items()
        ]  # fmt: skip

    def _line(self, number: int, secret: re.Pattern[str]) -> str:
        line = self.lines[number - 1] if 1 <= number <= len(self.lines) else ""
        if len(line) > MAX_SOURCE_LINE:
            return ""
        cut = min((column for at, column in self.hidden if at == number), default=0)
        line = line[: cut - 1] + "***" if cut else line
        line = secret.sub(r"\1***", line)
        return masked(line)


def _note(findings: _Findings, at: tuple[Place, Path], found: _Finding, user: str) -> None:
    first = findings.setdefault(at, found)
    if user:
        first.users[user] = None


def masked(text: str) -> str:
    """`text` without the user and password of a URL in it."""
    return re.sub(r"://[^\s\"']*@", "://***@", text)


def _tidy(text: str) -> str:
    """`text` on one line, of bounded length, without what a terminal would obey."""
    text = "".join(sign if sign.isprintable() else " " for sign in masked(text))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def spell(path: Path) -> str:
    """A path as people write it: tags.flow.range[0]."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or "". Cheap for tens of thousands of known words."""
    ends = {word[:1], word[-1:]}
    near = [
        other
        for other in known
        if abs(len(other) - len(word)) <= MAX_SLIP and not ends.isdisjoint((other[:1], other[-1:]))
    ]
    return next(iter(get_close_matches(word, near[:500], 1)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a word that is not known, or ""."""
    found = nearest(word, known)
    return f"did you mean '{found}'?" if found else ""


def _width(text: str) -> int:
    """Columns that `text` takes on a terminal: Chinese, Japanese and Korean signs take two (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
