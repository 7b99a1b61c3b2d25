"""Conditions of assets, modes and rules name tags that exist, and no two alarms come to bear one name.

Works on the data as written, as `references` does.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.config.problems import Key, Path
from gateway.config.references import Tags, finding, table_at, tags_of
from gateway.config.tree import Document
from gateway.sdk.expression import Expression, ExpressionError


def check_conditions(main: Document, devices: Iterable[Document]) -> None:
    """Note conditions on tags that do not exist, and names that come twice."""
    tags = tags_of(devices)
    for path, owner in _owners(main):
        note_condition(main, (*path, "when"), owner.get("when"), tags)
    _check_names(main)


def note_condition(document: Document, path: Path, text: Any, tags: Tags) -> None:
    """Note the first tag in the condition `text`, which stands at `path`, that does not exist."""
    try:
        names = Expression(text).names if isinstance(text, str) else ()
    except ExpressionError:
        return  # the table has said so
    for name in names:
        if found := finding(name, tags):
            document.note(path, *found)
            return


def _owners(main: Document) -> Iterator[tuple[Path, dict[Key, Any]]]:
    """Whatever may have a condition, and where it stands."""
    for name, asset in table_at(main.data, "assets").items():
        if isinstance(asset, dict):
            yield ("assets", name), asset
        for kind in ("modes", "rules"):
            for inner, config in table_at(asset, kind).items():
                if isinstance(config, dict):
                    yield ("assets", name, kind, inner), config


def _check_names(main: Document) -> None:
    """A mode or rule is an asset ASSET-NAME: no other may be called that."""
    assets = table_at(main.data, "assets")
    first: dict[str, Path] = {
        str(name): ("assets", name) for name, asset in assets.items() if not table_at(asset, "modes")
    }
    for path, _ in _owners(main):
        if len(path) > 2:  # noqa: PLR2004 - assets, NAME, modes or rules, NAME
            name = f"{path[1]}-{path[3]}"
            if name in first:
                other = main.spot(first[name])
                main.note(path, f"its alarm would be called '{name}', as another is, at {other}", of_key=True)
            first.setdefault(name, path)
