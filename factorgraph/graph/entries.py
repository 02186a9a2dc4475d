"""Expressions of factors, procedures and losses: where they stand, and their values at every slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from factorgraph.errors import Issue, Path, SpecError, issue
from factorgraph.graph.draft import FactorDraft
from factorgraph.graph.model import Constant, Id, Variable, Written
from factorgraph.graph.names import Source
from factorgraph.graph.texts import slot_text, slot_words
from factorgraph.graph.unroll import Broken, Slots, Unroller
from factorgraph.spec.blocks import single_loss
from factorgraph.spec.expressions import Call, Expression

_TARGETED = {"start": "is the start of", "by": "gives"}  # fields of a procedure that give a value to each variable of its `of`


def sources(value: Any, path: Path) -> Iterator[Source]:
    """Every expression in a leaf, however deep, with its address."""
    if isinstance(value, Expression):
        yield Source(path, value)
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from sources(getattr(value, name), (*path, info.alias or name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from sources(each, (*path, key))
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from sources(each, (*path, number))


class Entries:
    """Puts factors, procedures and losses into a draft."""

    def __init__(self, unroller: Unroller):
        self.unroller = unroller
        self.names = unroller.names
        self.draft = unroller.draft
        self.found: dict[Path, tuple[Id, ...]] = {}

    # --- factors ---------------------------------------------------------------------------------------------------------------

    def factors(self) -> None:
        for name in self.names.spec.factors:
            self._guarded(lambda name=name: self._factor(name))  # type: ignore[misc]

    def _factor(self, name: str) -> None:
        entry = self.names.spec.factors[name]
        leaf = entry.leaf.first
        read = list(sources(leaf, entry.path))
        if leaf.of_matrix:
            self._of_matrix(name, read[0])
            return
        if not self._checked(read):
            return
        free = frozenset(self._constant_indices(entry, read)).union(*(self.names.free(each.expression.root) for each in read))
        missing: set[str] = set()
        here = False
        for slots in self.unroller.every_slot(free):
            values = [self.unroller.value(each, slots) for each in read]
            present = [each for each in values if each is not None]
            if len(present) < len(values):
                missing.update(each.expression.text for each, value in zip(read, values, strict=True) if value is None)
                continue
            here = True
            value_id = name + slot_text(slots)
            self.draft.factors[value_id] = FactorDraft(value_id, name, slots, tuple(present), leaf, Written(entry.path))
            self._compared(leaf, read, present, slots)
        if not here:
            self._without_slot(name, entry.path, missing, free)

    def _of_matrix(self, name: str, source: Source) -> None:
        """A factor of the matrix of a function: one at each of its slots."""
        entry, function = self.names.spec.factors[name], source.expression.text
        for slots in self._slots(self.names.spec.functions[function].per):
            key, matrix = name + slot_text(slots), function + slot_text(slots)
            if matrix not in self.draft.nodes:
                what = f"{name} reads the matrix of {matrix}, which is applied to nothing"
                raise SpecError(issue("FG320", what, source.path, fix=f"let a factor read {function}(...), or remove {name}"))
            self.draft.factors[key] = FactorDraft(key, name, slots, (), entry.leaf.first, Written(entry.path), matrix)

    def _constant_indices(self, entry: Any, read: list[Source]) -> Iterator[str]:
        expressions = {each.path[len(entry.path)] for each in read}
        constants = [value for key, value in entry.leaf.values.items() if key not in expressions]
        for text in _texts([*constants, entry.written_weight]):
            yield from entry.leaf.used_indices(text)

    def _compared(self, leaf: Any, read: list[Source], values: list[Id], slots: Slots) -> None:
        """What stands in one list is compared with each other."""
        groups: dict[Path, list[tuple[Id, Written]]] = {}
        for source, value in zip(read, values, strict=True):
            if isinstance(source.path[-1], int):
                groups.setdefault(source.path[:-1], []).append((value, pointed(source)))
        for group in groups.values():
            self.draft.compare(group, "is compared with", slots)

    def _without_slot(self, name: str, path: Path, missing: set[str], free: frozenset[str]) -> None:
        lengths = ", ".join(f"{index} has {self.names.indices[index]}" for index in self.names.order(free))
        notes = tuple(f"{text} exists at none of them together with the rest" for text in sorted(missing))
        message = f"factor {name} has no slot: nowhere does everything exist that it reads"
        fix = "give what reads beyond the end a start, or make the index longer"
        self.unroller.note(issue("FG325", message + (f" ({lengths})" if lengths else ""), path, notes=notes, fix=fix))

    # --- procedures ------------------------------------------------------------------------------------------------------------

    def procedures(self) -> None:
        for name, declared in self.names.spec.inference.items():
            leaf = declared.first
            read = list(sources(leaf, declared.path))
            if self._checked(read):
                for slots in self._slots(declared.per):
                    self._guarded(lambda read=read, name=name, slots=slots: self._procedure(name, read, slots))  # type: ignore[misc]

    def _procedure(self, name: str, read: list[Source], slots: Slots) -> None:
        base: Path = ("inference", name, *slots.values())
        block: list[Id] = []
        for source in (each for each in read if each.path[2] == "of"):
            own = self._variables(source, name, slots)
            twice = next((each for each in own if each in block), None)
            if twice is not None:
                what = f"procedure {name} names {twice} twice, and it has one value"
                raise SpecError(issue("FG256", what, source.path, fix="name each variable once"))
            block += own
        self.found[(*base, "of")] = tuple(block)
        for source in (each for each in read if each.path[2] != "of"):
            where = (*base, *source.path[2:])
            if source.path[2] not in _TARGETED:
                self.found[where] = self.found.get(where, ()) + self._everywhere(source, slots)
            else:
                self.found[where] = self._targeted(source, block, slots)

    def _variables(self, source: Source, name: str, slots: Slots) -> tuple[Id, ...]:
        ids = self._everywhere(source, slots)
        for value_id in ids:
            value = self.draft.values[value_id]
            if not isinstance(value, Variable) or value.definition is not None:
                what = "is computed from others" if isinstance(value, Variable) else "is no variable"
                message = f"procedure {name} infers {value_id}, which {what}"
                latent = ", ".join(key for key, leaf in self.names.variables.items() if leaf.kind == "latent")
                span = source.expression.root.span
                it = issue("FG256", message, source.path, span=span, allowed=latent or "no latents")
                raise SpecError(self._unbound(it, value.name) if isinstance(value, Variable) else it)
        return ids

    def _unbound(self, it: Issue, name: str) -> Issue:
        """With what mends it, where the variable is computed because a use binds it."""
        bound = self.names.spec.variables[name].bound
        if bound is None:
            return it
        at = self.names.spec.document.place(bound.path, "key")
        note = f"it is bound at {at.address or f'{at.file}:{at.line}'}"
        fragment, _, own = name.rpartition(".")
        fix = f"take {own} out of the bind of {fragment}, and bind data to {name}"
        return replace(it, notes=(*it.notes, note), fix=fix)

    def _targeted(self, source: Source, block: list[Id], slots: Slots) -> tuple[Id, ...]:
        """The values that a field gives to the variables of a procedure, or to one of them that its map names."""
        field, target = str(source.path[2]), source.path[3] if len(source.path) > 3 else None
        variables = [self.draft.values[each] for each in block]
        chosen = [each for each in variables if isinstance(each, Variable) and target in (None, each.name)]
        if not chosen:
            message = f'"{target}" is not inferred here'
            inferred = ", ".join(dict.fromkeys(each.name for each in variables if isinstance(each, Variable)))
            raise SpecError(Issue("FG256", message, source.path, "key", allowed=inferred))
        values: list[Id] = []
        for variable in chosen:
            at = {**slots, **variable.slots}
            value = self.unroller.value(source, at)
            if value is None:
                message = f"{source.expression.text} does not exist at {slot_words(at)}, where {variable.id} needs it"
                raise SpecError(issue("FG325", message, source.path, span=source.expression.root.span))
            values.append(value)
        if target is None:
            self._one_for_several(source, field, values, list(dict.fromkeys(each.name for each in chosen)))
        for variable, value in zip(chosen, values, strict=True):
            compared = [(variable.id, Written(source.path)), (value, pointed(source))]
            self.draft.compare(compared, _TARGETED[field], {**slots, **variable.slots})
        return tuple(values)

    def _one_for_several(self, source: Source, field: str, values: list[Id], names: list[str]) -> None:
        if len(names) > 1 and not all(isinstance(self.draft.values[each], Constant) for each in values):
            message = f"one {field} for several variables"
            fix = f"write a map: {field}: {{{', '.join(f'{each}: ...' for each in names)}}}"
            raise SpecError(issue("FG256", message, source.path, span=source.expression.root.span, fix=fix))

    # --- losses ----------------------------------------------------------------------------------------------------------------

    def losses(self) -> None:
        for name, declared in self.names.spec.learning.items():
            written = declared.values
            for source, where in _of_phase(declared.first, written, ("learning", name)):
                if self.unroller.check(source):
                    for slots in self._slots(declared.per):
                        self._guarded(lambda s=source, w=where, at=slots: self._loss(s, w, at))  # type: ignore[misc]

    def _loss(self, source: Source, where: Path, slots: Slots) -> None:
        key = (*where[:2], *slots.values(), *where[2:])
        self.found[key] = self.found.get(key, ()) + self._everywhere(source, slots)

    def _checked(self, read: list[Source]) -> bool:
        right = [self.unroller.check(each) for each in read]  # a list: every mistake is told, not only the first
        return all(right)

    # --- common ----------------------------------------------------------------------------------------------------------------

    def _slots(self, per: str | None) -> Iterator[Slots]:
        return self.unroller.every_slot(frozenset() if per is None else frozenset({per}))

    def _everywhere(self, source: Source, slots: Slots) -> tuple[Id, ...]:
        """The values of an expression at each of its own slots where it exists."""
        free = self.names.free(source.expression.root) - slots.keys()
        found = (self.unroller.value(source, {**slots, **at}) for at in self.unroller.every_slot(free))
        return tuple(each for each in found if each is not None)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Broken:
            return  # the mistake is noted where it is
        except SpecError as error:
            self.unroller.note(*error.issues)


def pointed(source: Source) -> Written:
    """Where a mistake about a whole expression points: the name of the function that it applies last."""
    root = source.expression.root
    return Written(source.path, root.name_span if isinstance(root, Call) else root.span)


def _of_phase(phase: Any, written: Mapping[str, Any], path: Path) -> Iterator[tuple[Source, Path]]:
    """The expressions of a phase's losses: where each is written, and its address in the graph's entries."""
    yield from _of_losses(phase.loss, written.get("loss"), (*path, "loss"))
    for name, player in phase.players.items():
        inside = written.get("players", {}).get(name, {})
        yield from _of_losses(player.loss, inside.get("loss"), (*path, "players", name, "loss"))


def _of_losses(terms: Mapping[str, Any], written: Any, path: Path) -> Iterator[tuple[Source, Path]]:
    for name, term in terms.items():
        for source in sources(term.loss, path):
            field = source.path[len(path) :]
            address = field[:-1] if isinstance(field[-1], int) else field
            place = (*path, *field) if single_loss(written) else (*path, name, *field)
            yield Source(place, source.expression), (*path, name, *address)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
