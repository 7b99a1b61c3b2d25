"""One device or asset out of the templates that it uses: their bodies filled in, its own words laid over them."""

from dataclasses import dataclass, replace
from typing import Final

from gateway.config.fill import Budget, Copier, Given, Scope
from gateway.config.loops import Row
from gateway.config.merge import FOR, PARAMETERS, USE, WITH, WORDS, Tree, conflicts, merge
from gateway.config.problems import Path, did_you_mean, nearest
from gateway.config.templates import Template, Templates
from gateway.config.tree import Document, Marks, Spot

_COST: Final = 20  # values that could be made in the time that a template takes beside its values
MAX_INSIDE: Final = 10  # templates that use templates


@dataclass(frozen=True, slots=True)
class Part:
    """A table that may use templates: as written, what its `${…}` mean, and where in `target` it will stand."""

    table: Tree
    marks: Marks
    scope: Scope
    path: Path
    spot: Spot
    target: Document
    inside: tuple[str, ...] = ()

    def given(self, word: str) -> Given:
        """The value of `word`, as written."""
        return Given(self.table[word], self.marks[id(self.table)][word][1], self.marks)


class Builder:
    """Fills templates in and lays them over each other. What is wrong is noted; only TooMuchError is raised."""

    def __init__(self, templates: Templates, budget: Budget) -> None:
        self._templates, self._budget = templates, budget

    def own(self, part: Part) -> Tree:
        """What the part says itself, filled in."""
        copier = Copier(part.target, self._budget, part.scope)
        return copier.table(part.table, part.marks, part.path, WORDS | {PARAMETERS} if part.inside else WORDS)

    def build(self, part: Part, own: Tree, names: Row) -> Tree | None:
        """`own` laid over the templates that the part uses; None when one of them cannot be used, which is noted."""
        templates = self._used(part)
        with_ = self._with(part)
        if templates is None or with_ is None:
            return None
        self._check_with(part, with_, templates)
        base: Tree | None = None
        for template in templates:
            says = self._fill_in(template, part, with_, names)
            if says is None:
                return None
            if base is not None:
                self._check_conflicts(part, base, says, own)
                base = merge(base, says, part.target.marks)
            else:
                base = says
        return own if base is None else merge(base, own, part.target.marks)

    def _used(self, part: Part) -> list[Template] | None:
        """The templates that the part uses, in its order."""
        if USE not in part.table:
            return []
        given, path = part.given(USE), (*part.path, USE)
        names = given.value if isinstance(given.value, list) else [given.value]
        found = []
        for name in names:
            template = self._templates.find(name, given.spot, path, part.target)
            if template is None or not self._is_apart(part, template, given.spot, path):
                return None
            found.append(template)
        return found

    def _is_apart(self, part: Part, template: Template, spot: Spot, path: Path) -> bool:
        around = " -> ".join((*part.inside, template.name))
        if template.name in part.inside:
            part.target.note_at(spot, path, "the template uses itself", around)
        elif len(part.inside) >= MAX_INSIDE:
            part.target.note_at(spot, path, f"templates that use templates, more than {MAX_INSIDE} deep", around)
        else:
            return True
        return False

    def _with(self, part: Part) -> Row | None:
        """The values that the part gives to its templates."""
        if WITH not in part.table:
            return {}
        given, path = part.given(WITH), (*part.path, WITH)
        if not isinstance(given.value, dict) or USE not in part.table:
            said = "must be a table: a value for each parameter" if USE in part.table else "belongs to use, to fill in"
            part.target.note_at(given.spot, path, said)
            return None
        copier = Copier(part.target, self._budget, part.scope)
        values, _ = copier.copy(given, path)
        marks = part.target.marks
        return {name: Given(value, marks[id(values)][name][1], marks) for name, value in values.items()}

    def _check_with(self, part: Part, with_: Row, templates: list[Template]) -> None:
        known = {name for template in templates for name in template.parameters}
        for name in with_.keys() - known:
            named = " and ".join(f"'{template.name}'" for template in templates)
            hint = did_you_mean(name, known) or "known: " + (", ".join(sorted(known)[:12]) or "none")
            spot = part.marks[id(part.table[WITH])].get(name, (with_[name].spot,))[0]
            part.target.note_at(spot, (*part.path, WITH, name), f"template {named} has no parameter '{name}'", hint)

    def _fill_in(self, template: Template, part: Part, with_: Row, names: Row) -> Tree | None:
        """What a template says with these values, the templates that it uses itself included."""
        self._budget.take(_COST)
        values = dict(names)
        for name, parameter in template.parameters.items():
            given = with_.get(name) or parameter.default
            if given is None:
                if not any(nearest(word, template.parameters) == name for word in with_.keys() - template.parameters):
                    spot, path = part.given(USE).spot, (*part.path, WITH, name)
                    part.target.note_at(spot, path, "is missing", parameter.description)
                return None
            values[name] = given
        scope, document = Scope(values), template.document
        inner = replace(
            part, table=document.data, marks=document.marks, scope=scope, spot=document.spot(()),
            inside=(*part.inside, template.name),
        )  # fmt: skip
        if FOR in document.data:
            part.target.note_at(document.spot((FOR,), of_key=True), (*part.path, FOR), "belongs to who uses a template")
        made = self.build(inner, self.own(inner), names)
        if template.complete and scope.used <= scope.values.keys():
            template.note_unused(scope.used)
        return made

    def _check_conflicts(self, part: Part, one: Tree, other: Tree, own: Tree) -> None:
        for path in conflicts(one, other, own):
            here, there = (_spot(tree, path, part.target.marks) for tree in (other, one))
            full = (*part.path, *path)
            part.target.note_at(here, full, f"another template says otherwise, at {there}", "say it beside use")


def _spot(tree: Tree, path: Path, marks: Marks) -> Spot:
    *tables, key = path
    for step in tables:
        tree = tree[str(step)]
    return marks[id(tree)][key][1]
