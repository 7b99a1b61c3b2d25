"""Many from one: devices and assets that `use` templates, or that are made `for` many values, written out one by one.

    device: pump-${n:03}
    for: {n: 1..200}
    use: pump@2
    with: {host: "10.0.4.${n}"}

What is written beside `use` is laid over the template (`merge`). Two templates may not contradict each other.
"""

from typing import Any

from gateway.config.build import Builder, Part
from gateway.config.fill import Budget, Copier, Given, Scope
from gateway.config.loops import is_table, rows
from gateway.config.merge import FOR, WORDS, Tree
from gateway.config.problems import Path
from gateway.config.templates import Templates
from gateway.config.tree import ROOT, Document, Spot, Use


class Expander:
    """Writes devices and assets out. `complete` says whether none had to be left out."""

    def __init__(self, templates: Templates, budget: Budget) -> None:
        self._builder, self._budget = Builder(templates, budget), budget
        self.complete = True

    def devices(self, document: Document) -> list[Document]:
        """The devices that `document` describes, itself when it is one. Raises TooMuchError."""
        data = document.data
        if not isinstance(data, dict) or WORDS.isdisjoint(data):
            return [document]
        made = []
        for scope, many in self._scopes(document, data, ()):
            target = Document(document.source)
            use = Use("a device", document.spot(()), many=many)
            if self._device(document, target, use, scope):
                made.append(target)
        return made

    def assets(self, document: Document) -> Document:
        """`document`, the main file, with its assets written out. Raises TooMuchError."""
        assets = document.data.get("assets") if isinstance(document.data, dict) else None
        if not isinstance(assets, dict) or not any(_asks(asset) for asset in assets.values()):
            return document
        target = Document(document.source)
        root = Copier(target, self._budget).table(document.data, document.marks, (), frozenset({"assets"}))
        _set_root(target, root, document.spot(()))
        table: Tree = {}
        root["assets"] = table
        target.marks[id(root)]["assets"] = document.marks[id(document.data)]["assets"]
        target.marks[id(table)] = {}
        for name in assets:
            self._asset(document, assets, name, target)
        return target

    def _scopes(self, document: Document, data: Tree, path: Path) -> list[tuple[Scope, bool]]:
        """A scope for each thing to make, and whether there are many. Values that nothing uses are noted afterwards."""
        if FOR not in data:
            return [(Scope(), False)]
        given = Given(data[FOR], document.marks[id(data)][FOR][1], document.marks)
        found = rows(document, given, (*path, FOR))
        if found is None:
            self.complete = False
            return []
        used: set[str] = set()  # shared: a value is used when any of the many uses it
        return [(Scope(row, used), True) for row in found]

    def _device(self, document: Document, target: Document, use: Use, scope: Scope) -> bool:
        data, spot = document.data, document.spot(())
        target.uses[()] = use
        _set_root(target, {}, spot)
        part = Part(data, document.marks, scope, (), spot, target)
        own = self._builder.own(part)
        name = own.get("device")
        use.who = f"device {name}" if isinstance(name, str) else use.who
        names = {"device": Given(name, target.marks[id(own)]["device"][1], target.marks)} if "device" in own else {}
        made = self._builder.build(part, own, names)
        self._check_used(document, data, scope, ())
        if made is None:
            self.complete = False
            return False
        target.holder[ROOT] = made
        use.who = f"device {made.get('device', '')}".rstrip()
        return True

    def _asset(self, document: Document, assets: Tree, name: str, target: Document) -> None:
        asset, (key_spot, spot) = assets[name], document.marks[id(assets)][name]
        table = target.data["assets"]
        if not _asks(asset):
            copier = Copier(target, self._budget)
            self._enter(
                target, table, name, copier.copy(Given(asset, spot, document.marks), ("assets", name)), key_spot
            )
            return
        for scope, many in self._scopes(document, asset, ("assets", name)):
            written: Path = ("assets", name)
            target.uses[written] = Use(f"asset {name}", key_spot, written, written, many)
            called = Copier(target, self._budget, scope).text(name, key_spot, written) if many else name
            path: Path = ("assets", called)
            target.uses[path] = Use(f"asset {called}", key_spot, path, written, many)
            part = Part(asset, document.marks, scope, path, spot, target)
            made = self._builder.build(
                part, self._builder.own(part), {"asset": Given(called, key_spot, document.marks)}
            )
            self._check_used(document, asset, scope, written)
            if made is None:
                self.complete = False
            else:
                self._enter(target, table, called, (made, spot), key_spot)

    def _enter(self, target: Document, table: Tree, name: str, made: tuple[Any, Spot], key_spot: Spot) -> None:
        """Put what was made into the table of assets, under a name that no other has."""
        places = target.marks[id(table)]
        if name in places:
            target.note_at(key_spot, ("assets", name), f"there is an asset '{name}' already, at {places[name][0]}")
        table[name], places[name] = made[0], (key_spot, made[1])

    def _check_used(self, document: Document, data: Tree, scope: Scope, path: Path) -> None:
        """Note the values of a `for` that nothing uses; a sheet may have columns for other purposes."""
        if is_table(data.get(FOR)):
            return
        for name in scope.values.keys() - scope.used:
            document.note((*path, FOR, name), "is not used", f"write ${{{name}}} where it belongs", of_key=True)


def _asks(table: Any) -> bool:
    return isinstance(table, dict) and not WORDS.isdisjoint(table)


def _set_root(target: Document, data: Tree, spot: Spot) -> None:
    target.holder[ROOT] = data
    target.marks[id(target.holder)] = {ROOT: (spot, spot)}
