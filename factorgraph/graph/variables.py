"""Variables at every slot: first those that are given, then those that are computed, each after what it reads."""

from __future__ import annotations

from typing import Any

from factorgraph.errors import SpecError, issue
from factorgraph.graph.instances import instance
from factorgraph.graph.model import Id, Variable, Written
from factorgraph.graph.names import Source
from factorgraph.graph.texts import slot_text
from factorgraph.graph.unroll import Broken, Deferred, Key, Slots, Unroller


class Variables:
    """Makes variables. Recursion through slots runs on a stack of its own, so that a thousand frames are no deeper than one."""

    def __init__(self, unroller: Unroller):
        self.unroller = unroller
        self.names, self.draft = unroller.names, unroller.draft
        self.made, self.broken = unroller.made, unroller.broken

    def make(self) -> None:
        """Every variable of the spec at every slot."""
        for name, leaf in self.names.variables.items():
            if leaf.is_ is None:
                for slots in self.unroller.slots_of(name):
                    self._given(name, slots)
        for name, leaf in self.names.variables.items():
            if leaf.is_ is not None:
                for slots in self.unroller.slots_of(name):
                    self._derive((name, tuple(slots.values())))
        self._stand_ins()

    def _given(self, name: str, slots: Slots) -> None:
        declared = self.names.spec.variables[name]
        key = (name, tuple(slots.values()))
        try:
            leaf = instance(declared, slots)
        except SpecError as error:
            self.unroller.note(*error.issues)
            self.broken.add(key)
            return
        value_id = name + slot_text(slots)
        stands_for = leaf.stands_for
        self.draft.add(
            Variable(
                value_id,
                name,
                slots,
                leaf.kind,
                (),
                Written(declared.path),
                domain=leaf.domain,
                given=leaf.given,
                distribution=_distribution(leaf) if leaf.kind == "noise" else None,
                stands_for=self._stood_for(stands_for, slots) if stands_for else None,
            )
        )
        if leaf.shape is not None:
            self.draft.declared[value_id] = tuple(leaf.shape)
        self.made[key] = value_id

    def _derive(self, wanted: Key) -> None:
        """Make a derived variable, and before it what it reads; a circle is noted with its chain."""
        stack, waiting = [wanted], {wanted}
        while stack:
            key = stack[-1]
            if key in self.made or key in self.broken:
                waiting.discard(stack.pop())
                continue
            try:
                self.made[key] = self._define(*key)
            except Deferred as more:
                if more.key in waiting:
                    self._circle(stack[stack.index(more.key) :])
                else:
                    stack.append(more.key)
                    waiting.add(more.key)
            except Broken:
                self.broken.add(key)
            except SpecError as error:
                self.unroller.note(*error.issues)
                self.broken.add(key)

    def _circle(self, keys: list[Key]) -> None:
        first = min(range(len(keys)), key=lambda at: list(self.names.variables).index(keys[at][0]))
        keys = keys[first:] + keys[:first]
        chain = " needs ".join(self.label(key) for key in (*keys, keys[0]))
        name = keys[0][0]
        path = self.names.spec.variables[name].definition
        fix = "read another slot, such as [t-1], with a start; or leave one of them out of the circle"
        self.unroller.note(issue("FG326", f"{self.label(keys[0])} is computed from itself", path, notes=(chain,), fix=fix))
        self.broken.update(keys)

    def label(self, key: Key) -> str:
        return key[0] + slot_text(dict(enumerate(map(str, key[1]))))  # type: ignore[arg-type]

    def _define(self, name: str, numbers: tuple[int, ...]) -> Id | None:
        declared, leaf = self.names.spec.variables[name], self.names.variables[name]
        slots = dict(zip(self.names.order(self.names.free_of[name]), numbers, strict=True))
        assert leaf.is_ is not None, "only derived variables are defined"
        source = Source(declared.definition, leaf.is_)
        definition = self.unroller.value(source, self._outer(name, source, slots))
        if definition is None and leaf.start is not None:
            source = Source((*declared.path, "start"), leaf.start)
            definition = self.unroller.value(source, slots)
        if definition is None:
            return None
        value_id = name + slot_text(slots)
        place = Written(source.path, source.expression.root.span)
        stands_for = leaf.stands_for
        shape = instance(declared, slots).shape if leaf.shape is not None else None
        self.draft.add(
            Variable(
                value_id,
                name,
                slots,
                "derived",
                (),
                Written(declared.path),
                domain=leaf.domain,
                given=leaf.given,
                stands_for=self._stood_for(stands_for, slots) if stands_for else None,
                definition=definition,
            )
        )
        if shape is not None:
            self.draft.declared[value_id] = tuple(shape)
        self.draft.compare([(value_id, Written(declared.path)), (definition, place)], "is the value of", slots)
        return value_id

    def _outer(self, name: str, source: Source, slots: Slots) -> Slots:
        """The slots at which an expression is read. What a fragment's variable with an index is bound to has as many slots of an
        index, or none: one stands for the other."""
        per = self.names.variables[name].per
        free = self.names.free(source.expression.root)
        if per is None or not free:
            return slots
        wanted = self.names.indices[per]
        if [self.names.indices[index] for index in free] == [wanted]:
            return {next(iter(free)): slots[per]}
        has = " and ".join(f"{index} has {self.names.indices[index]}" for index in self.names.order(free))
        message = f"{name} has one value for each {per}, of which there are {wanted}, and what it is bound to does not fit: {has}"
        fix = f"make the indices as long, by with: {{indices.{per.rpartition('.')[2]}: ...}}"
        raise SpecError(issue("FG253", message, source.path, span=source.expression.root.span, fix=fix))

    def _stood_for(self, name: str, slots: Slots) -> Id:
        own = self.names.order(self.names.free_of.get(name, frozenset()))
        return name + slot_text({index: slots[index] for index in own if index in slots})

    def _stand_ins(self) -> None:
        """Note that a stand-in has the shape of what it stands for."""
        for value_id, value in list(self.draft.values.items()):
            if isinstance(value, Variable) and value.stands_for is not None:
                path = (*value.written.path, "stands_for")
                name = self.names.variables[value.name].stands_for
                if value.stands_for in self.draft.values:
                    both = [(value.stands_for, Written(path)), (value_id, Written(path))]
                    self.draft.compare(both, "is stood for by", value.slots)
                elif not any(each.name == name for each in self.draft.values.values() if isinstance(each, Variable)):
                    continue  # what it stands for has a mistake of its own
                else:
                    message = f"{value_id} stands for {name}, which has no such slot"
                    self.unroller.note(issue("FG253", message, path, fix=f"give both the same indices, as in per of {name}"))


def _distribution(leaf: Any) -> tuple[str, float, float]:
    """A noise's law as (type, low, high)."""
    law = leaf.distribution
    if isinstance(law, str) or law is None:
        return (law or "normal", -1.0, 1.0)
    return (law.type, law.low, law.high)
