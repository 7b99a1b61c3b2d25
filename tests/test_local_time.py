"""Local time is for people: nothing but what a command shows on a terminal asks for it, so summer time is no event.

That the gateway lives through both changes of a year is tested by tests/e2e/test_clock.py.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# of calls that give or take local time: how many arguments there are when they are told a zone
ZONED = {
    "now": 1, "fromtimestamp": 2, "astimezone": 1,  # datetime: without a zone they are local
    "gmtime": 0, "strftime": 2,  # time.strftime without a time takes that of the local zone
    "localtime": 9, "mktime": 9, "ctime": 9, "today": 9, "utcnow": 9, "utcfromtimestamp": 9, "tzset": 9,
}  # fmt: skip
_MODULES = ("time", "datetime", "dt", "date", "DateTime")


def local(source: str) -> Iterator[str]:
    """Calls of local time in a file."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ZONED):
            continue
        owner = node.func.value
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        method = node.func.attr in ("astimezone", "strftime")
        if node.func.attr == "strftime" and name != "time":
            continue  # of a datetime, which has its zone
        given = len(node.args) + len(node.keywords)
        if (method or name in _MODULES) and given < ZONED[node.func.attr]:
            yield f"{node.lineno}: {ast.unparse(node)}"


def files() -> list[Path]:
    return sorted(path for folder in ("gateway", "plugins") for path in (ROOT / folder).rglob("*.py"))


def test_nothing_but_what_a_command_shows_asks_for_local_time() -> None:
    found = {path.relative_to(ROOT): list(local(path.read_text())) for path in files()}
    asking = {path: calls for path, calls in found.items() if calls}
    assert {path.parent for path in asking} == {Path("gateway/cli")}, asking


@pytest.mark.parametrize(
    ("call", "is_local"),
    [
        ("datetime.now()", True), ("datetime.now(UTC)", False), ("dt.datetime.fromtimestamp(1)", True),
        ("dt.datetime.fromtimestamp(1, dt.UTC)", False), ("moment.astimezone()", True),
        ("moment.astimezone(dt.UTC)", False), ("time.localtime(1)", True), ("time.strftime('%H')", True),
        ("time.strftime('%H', time.gmtime())", False), ("moment.strftime('%H')", False), ("date.today()", True),
        ("gate.now()", False), ("datetime.utcnow()", True),
    ],
)  # fmt: skip
def test_a_call_of_local_time_is_seen(call: str, is_local: bool) -> None:
    assert bool(list(local(call))) is is_local
