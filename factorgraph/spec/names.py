"""Names that refer to each other: every name that is read exists, and none means two things."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from factorgraph.errors import Issue, Path
from factorgraph.registry import leaves
from factorgraph.spec.claimed import claim_issues
from factorgraph.spec.expressions import Call, Expression, Read, kind_of, walk
from factorgraph.spec.language import TYPES, UNDECLARED
from factorgraph.spec.references import REFERENCE
from factorgraph.spec.scopes import IN_VALUES
from factorgraph.spec.suggest import near

if TYPE_CHECKING:
    from factorgraph.spec.schema import Declared, Spec

PROCEDURE_FIELDS = ("teacher", "student", "partition", "negatives")  # of losses: they name procedures
VARIABLE_FIELDS = ("fake", "noise")  # of losses: they name variables that stand for others


def unknown(
    kind: str, name: object, known: Sequence[str], path: Path, span: tuple[int, int] | None = None, *, on: Any = "value"
) -> Issue:
    """A name that nothing has."""
    if not isinstance(name, str):
        return Issue("FG203", f"the name of a {kind} is a word, not {kind_of(name)}", path, on=on, allowed=", ".join(known))
    meant = near(name, known)
    hint = f'. Did you mean "{meant}"?' if meant else ""
    fix = f"write {meant}" if meant else "declare it, or name one that is there" if known else "declare it"
    message = f'there is no {kind} "{name}"{hint}'
    return Issue("FG209", message, path, on=on, span=span, allowed=", ".join(known), fix=fix, replacement=meant)


@dataclass(frozen=True)
class Names:
    """The names of a spec, from what is written, so that an entry with a mistake is still known by its name."""

    variables: tuple[str, ...]
    functions: tuple[str, ...]
    factors: tuple[str, ...]
    procedures: tuple[str, ...]
    phases: tuple[str, ...]
    dims: tuple[str, ...]
    indices: tuple[str, ...]
    fragments: tuple[str, ...]
    variants: tuple[str, ...]
    budgets: tuple[str, ...]
    unread: tuple[str, ...] = ()  # fragments with mistakes: what they lack is not missed before these are mended

    @classmethod
    def of(cls, values: Mapping[str, Any], fragments: Mapping[str, Names], whole: Collection[str]) -> Names:
        """Of a file's values, and of its fragments, whose names follow theirs after a dot. ``whole``: those without mistakes."""

        def own(block: str) -> tuple[str, ...]:
            value = values.get(block)
            return tuple(map(str, value)) if isinstance(value, Mapping) else ()

        def inner(what: str) -> tuple[str, ...]:
            return tuple(f"{name}.{each}" for name, part in fragments.items() for each in getattr(part, what))

        return cls(
            variables=own("variables") + inner("variables"),
            functions=own("functions") + inner("functions"),
            factors=own("factors") + inner("factors"),
            procedures=own("inference") + inner("procedures"),
            phases=own("learning"),
            dims=own("dims") + inner("dims"),
            indices=own("indices") + inner("indices"),
            fragments=own("use") + inner("fragments"),
            variants=own("variants"),
            budgets=own("budgets"),
            unread=tuple(each for each in own("use") if each not in whole),
        )


class Checks:
    """What needs more than one entry to see, and no shapes."""

    def __init__(self, spec: Spec, values: Mapping[str, Any], names: Names):
        self.spec = spec
        self.values = values
        self.names = names

    def run(self) -> list[Issue]:
        found = [*self.twice(), *self.minimised()]
        found += self.variables()
        found += self.expressions()
        found += self.inference()
        found += self.learning()
        found += self.data()
        found += claim_issues(self.spec, self.names)
        return found

    def twice(self) -> Iterator[Issue]:
        """One name, one meaning: what meets in expressions (dims, variables, ...) and what meets in claims (variants, phases)."""
        for blocks in (IN_VALUES, ("use", "factors"), ("use", "inference"), ("learning", "variants")):
            first: dict[str, str] = {}
            for block in blocks:
                value = self.values.get(block)
                for name in value if isinstance(value, Mapping) else ():
                    if name in first:
                        place = self.spec.document.place((first[name], name), "key")
                        note = f"the first is in {first[name]}, at {place.address or f'{place.file}:{place.line}'}"
                        message = f'the name "{name}" is taken: it is in {first[name]} and in {block}'
                        yield Issue("FG208", message, (block, name), on="key", fix="rename one of them", notes=(note,))
                    first.setdefault(name, block)
        for name in ("start",):
            for block in ("variants", "learning"):
                value = self.values.get(block)
                if isinstance(value, Mapping) and name in value:
                    message = f'the name "{name}" is taken: in claims it is the state before learning'
                    yield Issue("FG208", message, (block, name), on="key", fix="rename it")

    def minimised(self) -> Iterator[Issue]:
        if not self.names.factors and not self.names.fragments:
            yield Issue("FG212", "there is nothing to minimise: the spec has no factor", (), fix="add a block factors")

    # --- expressions

    def variables(self) -> Iterator[Issue]:
        for declared in self.spec.own("variables").values():
            other = declared.first.stands_for
            if other is not None and other not in self.names.variables and other.split(".")[0] not in self.names.unread:
                yield unknown("variable", other, self.names.variables, (*declared.path, "stands_for"))

    def expressions(self) -> Iterator[Issue]:
        entries: list[Declared[Any]] = [each.leaf for each in self.spec.own("factors").values()]
        entries += [each for block in ("variables", "functions", "inference") for each in self.spec.own(block).values()]
        for declared in entries:
            if getattr(declared.first, "of_matrix", False):
                yield from self.function_of(declared.first.of.text, (*declared.path, "of"))
            else:
                yield from self.within(declared.first, declared.path)
        for fragment in self.spec.use.values():
            for name, expression in fragment.bind.items():
                path = (*fragment.path, "bind", name)
                observed = tuple(key for key, each in fragment.spec.variables.items() if each.first.kind == "observed")
                if name not in observed:
                    found = unknown("observed variable of the fragment", name, observed, path, on="key")
                    otherwise = "name one that is there" if observed else "take it out: the fragment observes nothing"
                    yield found if found.replacement else replace(found, fix=otherwise)
                yield from self.reads(expression, path)

    def function_of(self, name: str, path: Path) -> Iterator[Issue]:
        """A function that is named in the place of its matrix."""
        if name not in self.names.functions and name.partition(".")[0] not in self.names.unread:
            yield unknown("function", name, self.names.functions, path)

    def within(self, value: Any, path: Path) -> Iterator[Issue]:
        """The names in every expression of an instance."""
        if isinstance(value, Expression):
            yield from self.reads(value, path)
        elif isinstance(value, BaseModel):
            for name, info in type(value).model_fields.items():
                yield from self.within(getattr(value, name), (*path, info.alias or name))
        elif isinstance(value, Mapping):
            for name, each in value.items():
                yield from self.within(each, (*path, name))
        elif isinstance(value, tuple | list):
            for number, each in enumerate(value):
                yield from self.within(each, (*path, number))

    def reads(self, expression: Expression, path: Path) -> Iterator[Issue]:
        arguments_of_sums = set()
        for node in walk(expression.root):
            if isinstance(node, Call):
                if node.name in (("sum",), ("mean",)) and len(node.arguments) == 2:
                    arguments_of_sums.add(id(node.arguments[1]))
                yield from self.call(node, path)
            elif isinstance(node, Read) and id(node) in arguments_of_sums:
                if ".".join(node.name) not in self.names.indices and node.name[0] not in self.names.unread:
                    yield unknown("index", ".".join(node.name), self.names.indices, path, node.name_span)
            elif isinstance(node, Read):
                yield from self.read(node, path)

    def read(self, node: Read, path: Path) -> Iterator[Issue]:
        if node.name[0] in self.names.unread:
            return
        known = (*self.names.variables, *self.names.dims)
        name = ".".join(node.name)
        begun = [".".join(node.name[:length]) for length in range(1, len(node.name) + 1)]
        if not any(each in known for each in begun):
            if name in self.names.functions:
                message = f'"{name}" is a function: a value is what it gives for an argument'
                yield Issue("FG209", message, path, span=node.name_span, fix=f"write {name}(...)")
            else:
                parts = 1 + sum(each in self.names.fragments for each in begun)
                yield unknown("variable", ".".join(node.name[:parts]), known, path, _part(node, parts))
        index = None if node.slot is None else node.slot.index
        if index not in (None, "last", *self.names.indices) and index.split(".")[0] not in self.names.unread:  # type: ignore[union-attr]
            yield unknown("index", index, self.names.indices, path, _index_span(node))

    def call(self, node: Call, path: Path) -> Iterator[Issue]:
        name = ".".join(node.name)
        known = (*self.names.functions, *UNDECLARED)
        owner = ".".join(node.name[:-1])
        adjoint = owner in self.names.functions and node.name[-1] in ("transpose", "unpool")
        if name in known or adjoint or node.name[0] in self.names.unread:
            return
        if owner in self.names.functions:
            message = f'the function "{owner}" has no "{node.name[-1]}"'
            span = (node.name_span[1] - len(node.name[-1]), node.name_span[1])
            meant = near(node.name[-1], ("transpose", "unpool"))
            yield Issue("FG209", message, path, span=span, allowed="transpose, unpool", replacement=meant)
        elif name in leaves("functions") or name in TYPES["functions"]:
            message = f'"{name}" has parameters or needs options: declare it as a function, and call it by that name'
            yield Issue("FG209", message, path, span=node.name_span, fix=f"add to functions: NAME: {name}")
        else:
            yield unknown("function", name, known, path, node.name_span)

    # --- lists of names

    def referred(self, kind: str, names: Any, known: Sequence[str], path: Path) -> Iterator[Issue]:
        """Names with an optional slot: ``reconstruction[l]``."""
        for number, written in enumerate(names or ()):
            found = REFERENCE.fullmatch(written)
            name = found["name"] if found else written
            if name.split(".")[0] in self.names.unread:
                continue
            if name not in known:
                yield unknown(kind, name, known, (*path, number), (0, len(name)))
            elif found and found["slot"]:
                yield from self.slot(name, found["slot"], (*path, number))

    def slot(self, name: str, slot: str, path: Path) -> Iterator[Issue]:
        """The slot of a name in a list of names: those of the entry's own index are numbers by now."""
        repeated, index = self.repeated(*path[:2]), re.split(r"[+-]", slot)[0].strip()
        if re.fullmatch(r"\s*-?\d+\s*", slot):
            entry = self.spec.inference.get(name) or self.spec.functions.get(name)
            slots = range(0 if entry is None or entry.per is None else self.spec.indices.get(entry.per, 0))
            neighbour = repeated and int(slot) < 0  # the first has none on that side, others have
            if entry is not None and not neighbour and int(slot) not in slots:
                has = f"has the slots 0 to {len(slots) - 1}" if slots else "has no slots"
                what = f"{name}[{slot}] is not there: {name} {has}"
                yield Issue("FG410", what, path, fix=f"write {name}, or a slot that it has")
        elif index in self.names.indices:
            message = f'the index "{index}" has no slot here: {".".join(map(str, path[:2]))} is not repeated over it'
            fix = f"write {name} for all of its slots, a number, or give the entry per: {index}"
            yield Issue("FG316", message, path, fix=fix)
        elif index != "last":
            yield unknown("index", index, self.names.indices, path, (len(name) + 1, len(name) + 1 + len(index)))

    def repeated(self, block: str | int, name: str | int) -> bool:
        entries = self.spec.learning if block == "learning" else self.spec.inference
        return entries[str(name)].per is not None

    def seen(self, entry: Any, path: Path) -> Iterator[Issue]:
        """``only`` and ``without``."""
        known = (*self.names.factors, *self.names.fragments)
        for key in ("only", "without"):
            yield from self.referred("factor", getattr(entry, key, None), known, (*path, key))

    def inference(self) -> Iterator[Issue]:
        for declared in self.spec.own("inference").values():
            method = declared.first
            yield from self.seen(method, declared.path)
            of = [str(each) for each in getattr(method, "of", ())]
            yield from self.given(method, of, declared.path)
            remembers = getattr(method, "remembers", None)
            taken = "previous" in (*self.names.variables, *self.names.dims)
            if taken and remembers is not None and any(map(remembers, of)):
                what = 'the name "previous" is taken: as a start it means what was found for a row before'
                yield Issue("FG423", what, (*declared.path, "start"), fix="rename the variable or dimension")
            for key in ("start", "by"):
                value = getattr(method, key, None)
                for name in value if isinstance(value, Mapping) else ():
                    if name not in of:
                        yield unknown("variable in of", name, of, (*declared.path, key, name), on="key")
            yield from self.lacking(getattr(method, "by", None), of, (*declared.path, "by"))

    def lacking(self, by: Any, of: Sequence[str], path: Path) -> Iterator[Issue]:
        """Variables for which a map of expressions has none."""
        lacks = [each for each in of if each not in by] if isinstance(by, Mapping) and set(by) <= set(of) else []
        if lacks:
            message = f'procedure "{path[1]}" infers {" and ".join(lacks)}, and by has no expression for that'
            given = [f"{each}: {by.get(each, '...')}" for each in of]
            fix = f"write by: {{{', '.join(given)}}}"
            yield Issue("FG202", message, path, on="key", allowed=f"one expression for each of {', '.join(of)}", fix=fix)

    def given(self, method: Any, of: Sequence[str], path: Path) -> Iterator[Issue]:
        """Variables that a procedure infers and the data give."""
        bound = {each for source in self.spec.data.sources.values() for each in source.first.bind} if self.spec.data else set()
        for variable in of if getattr(method, "infers_latent", False) else ():
            if variable in bound and kind_of_variable(self.spec, variable) == "observed":
                message = f'the data bind "{variable}", so there is nothing of it to infer'
                fix = f"infer a latent variable; or take {variable} out of bind, and make it latent"
                yield Issue("FG442", message, (*path, "of"), fix=fix)

    def learning(self) -> Iterator[Issue]:
        for name, declared in self.spec.learning.items():
            phase, path = declared.first, declared.path
            written = self.values["learning"][name]
            yield from self.phase(phase, written if isinstance(written, Mapping) else {}, path)
            trainable = (*self.names.functions, *self.names.procedures, *self.names.fragments, *self.names.factors)
            yield from self.seen(phase, path)
            yield from self.referred("function, procedure, fragment or factor", phase.train, trainable, (*path, "train"))
            yield from self.referred("procedure", phase.inference, self.names.procedures, (*path, "inference"))
            yield from self.losses(phase.loss, written, path)
            for player, side in phase.players.items():
                at = (*path, "players", player)
                yield from self.referred("function, procedure, fragment or factor", side.train, trainable, (*at, "train"))
                yield from self.losses(side.loss, written["players"][player], at)

    def phase(self, phase: Any, written: Mapping[str, Any], path: Path) -> Iterator[Issue]:
        if written.get("steps") is not None and written.get("epochs") is not None:
            message = "a phase lasts for steps or for epochs, not both"
            yield Issue("FG210", message, (*path, "epochs"), on="key", fix="take one of them out")
        if phase.players:
            for key in ("loss", "train"):
                if key in written:
                    message = f"a phase with players has no {key} of its own: each player has one"
                    yield Issue("FG210", message, (*path, key), on="key", fix=f"move {key} into a player")
        measures = tuple(leaves("health"))
        for measure in phase.health:
            if measure not in measures:
                yield unknown("measure of health", measure, measures, (*path, "health", measure), on="key")
            elif leaves("health")[measure].of_players and not phase.players:  # type: ignore[attr-defined]  # a measure of health
                what = f"{measure} compares players, and this phase has none: nothing is measured"
                yield Issue("FG555", what, (*path, "health", measure), on="key", fix="take it out, or give the phase players")
        if phase.labelled is not None and (isinstance(phase.batch_size, str) or not 0 < phase.labelled < phase.batch_size):
            message = f"{phase.labelled} rows of each batch are to have every variable, of a batch_size of {phase.batch_size}"
            fix = "at least 1 and fewer than a batch_size that is a number; or leave labelled out"
            yield Issue("FG556", message, (*path, "labelled"), fix=fix)
        if phase.workers is not None:
            yield _waits("workers: elastic", "workers elastic", (*path, "workers"))
        owners: dict[str, str] = {}
        for player, side in phase.players.items():
            for number, each in enumerate(side.train or ()):
                if each in owners:
                    message = f'the players "{owners[each]}" and "{player}" both name "{each}" in train: one at most moves it'
                    yield Issue("FGW201", message, (*path, "players", player, "train", number), fix="name it in one of them")
                owners.setdefault(each, player)

    def losses(self, losses: Mapping[str, Any], written: Any, path: Path) -> Iterator[Issue]:
        from factorgraph.spec.blocks import single_loss

        value = written.get("loss") if isinstance(written, Mapping) else written
        single = single_loss(value)
        for name, term in losses.items():
            at = (*path, "loss") if single else (*path, "loss", name)
            yield from self.seen(term, at)
            yield from self.within(term.loss, at)
            for keys, kind, known in (
                (PROCEDURE_FIELDS, "procedure", self.names.procedures),
                (VARIABLE_FIELDS, "variable", self.names.variables),
            ):
                for key in keys:
                    named = getattr(term.loss, key, None)
                    if isinstance(named, str | tuple):
                        yield from self.referred(kind, (named,) if isinstance(named, str) else named, known, (*at, key))

    def data(self) -> Iterator[Issue]:
        if self.spec.data is None:
            return
        for declared in self.spec.data.sources.values():
            block = declared.first
            fields = block.source.fields() if hasattr(block.source, "fields") else {}
            for name, field in block.bind.items():
                at = (*declared.path, "bind", name)
                kind = kind_of_variable(self.spec, name)
                observed = tuple(each for each in self.names.variables if kind_of_variable(self.spec, each) == "observed")
                if name not in self.names.variables and name.split(".")[0] not in self.names.unread:
                    yield unknown("observed variable", name, observed, at, on="key")
                elif kind not in ("observed", ""):
                    message = f'"{name}" is {kind}, and only observed variables are bound to data'
                    fix = f"write kind: observed for {name}, or take it out of bind"
                    yield Issue("FG441", message, at, on="key", allowed=", ".join(observed), fix=fix)
                if fields and field not in fields:
                    yield unknown(f"field of {block.source.type}", field, tuple(fields), at)


def kind_of_variable(spec: Spec, name: str) -> str:
    """Observed, latent, noise or derived; empty where there is no variable of that name, or one with a mistake."""
    return (spec.variables[name].first.kind or "derived") if name in spec.variables else ""


def _waits(what: str, note: str, path: Path, on: Any = "value") -> Issue:
    message = f"{what} is in the language, but this version cannot do it yet"
    return Issue("FG205", message, path, on=on, notes=(f"waits for: {note}",))


def _part(node: Read, parts: int) -> tuple[int, int]:
    start = node.name_span[0]
    return (start, min(node.name_span[1], start + len(".".join(node.name[:parts]))))


def _index_span(node: Read) -> tuple[int, int]:
    assert node.slot is not None and node.slot.index is not None, "asked only of a slot with an index"
    start = node.slot.span[0]
    return (start, start + len(node.slot.index))
