"""A spec written in Python: each method is a block of the language, and what it gives back is the name of what it has made.

Nothing is checked here. :meth:`Builder.spec` writes the spec as YAML and reads it back, so that both mean the same, and mistakes
are told alike: with their address, where a file has line and column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from factorgraph.errors import Issue, Path, SpecError, address
from factorgraph.spec.document import read
from factorgraph.spec.expressions import kind_of
from factorgraph.spec.forms import (
    AugmentationForm,
    FactorForm,
    Form,
    FunctionForm,
    LossForm,
    MethodForm,
    OptimizerForm,
    Part,
    ScheduleForm,
    SourceForm,
    StepForm,
)
from factorgraph.spec.handles import (
    Expressed,
    FactorName,
    FragmentName,
    FunctionName,
    Handle,
    Name,
    Names,
    Number,
    PhaseName,
    ProcedureName,
    Size,
    Value,
    plain_number,
)
from factorgraph.spec.language import VERSION
from factorgraph.spec.load import of_document
from factorgraph.spec.parse import FILE_KEYS, MAIN
from factorgraph.spec.schema import Spec
from factorgraph.spec.write import as_yaml

Domain = Literal["real", "nonnegative", "binary", "one_hot", "simplex"]
Losses: TypeAlias = LossForm | str | Mapping[str, LossForm | str]
Changes: TypeAlias = Mapping[str, object]  # address: value


class Player(Part):
    """One side of a game; what it leaves out is the phase's."""

    def __init__(
        self,
        *,
        train: Names | None = None,
        loss: Losses | None = None,
        optimizer: OptimizerForm | str | None = None,
        learning_rate: Number | None = None,
        steps: Number | None = None,
    ):
        super().__init__(**_given(train=train, loss=loss, optimizer=optimizer, learning_rate=learning_rate, steps=steps))


class Workers(Part):
    """Copies of the model that learn apart and pull at a common centre."""

    def __init__(
        self,
        type: Literal["elastic"] = "elastic",
        *,
        count: Number | None = None,
        period: Number | None = None,
        pull: Number | None = None,
    ):
        super().__init__(**_given(type=type, count=count, period=period, pull=pull))


class Builder:
    """A spec in the making. ``name`` is what its file would be called, and its runs are.

    Names that methods give back stand in expressions as they do in YAML: ``decoder(Z)``, ``Z[t] - Z[t - 1]``, ``pool(H).what``;
    wherever one stands, its text may stand. Leaves are written by their classes' names: ``factors.L1(of=Z)``.
    """

    def __init__(self, name: str = "spec", *, title: str = "", lecture: str = "", paper: str = "", seed: int = 0):
        source = {key: text for key, text in (("lecture", lecture), ("paper", paper)) if text}
        head = {"factorgraph": VERSION, "title": title, "source": source, "seed": seed}
        self._file = f"{name}.yaml"
        self._values: dict[str, Any] = {key: value for key, value in head.items() if value not in ("", {}, 0)}
        self._issues: list[Issue] = []

    # --- constants and variables

    def dim(self, name: str, value: Number | Sequence[Number]) -> Value:
        """A named constant, or a list of them that is read per slot."""
        return Value(self._entry("dims", name, value))

    def index(self, name: str, slots: Number) -> Value:
        """An index: what is ``per`` it has so many copies."""
        return Value(self._entry("indices", name, slots))

    def observed(
        self,
        name: str,
        shape: Size,
        *,
        domain: Domain | None = None,
        per: Name | None = None,
        given: Literal["always", "training"] | None = None,
    ) -> Value:
        """A variable whose value the data give. ``shape``: of one sample. ``given``: *training*, if it is predicted later."""
        return self._variable(name, kind="observed", shape=shape, domain=domain, per=per, given=given)

    def latent(self, name: str, shape: Size | None = None, *, domain: Domain | None = None, per: Name | None = None) -> Value:
        """A variable that is inferred; its shape may be left out where a comparison fixes it."""
        return self._variable(name, kind="latent", shape=shape, domain=domain, per=per)

    def noise(
        self,
        name: str,
        shape: Size,
        *,
        distribution: Literal["normal", "uniform", "bernoulli"] | Mapping[str, Number] | None = None,
        per: Name | None = None,
    ) -> Value:
        """A variable that is drawn; its distribution a word, or a map with ``type``, ``low`` and ``high``."""
        return self._variable(name, kind="noise", shape=shape, distribution=distribution, per=per)

    def derived(
        self,
        name: str,
        is_: Expressed,
        *,
        start: Expressed | None = None,
        shape: Size | None = None,
        stands_for: Name | None = None,
    ) -> Value:
        """A name for an expression. ``start``: its value where what it reads has no such slot. ``stands_for``: another variable,
        in whose place losses may put it."""
        return self._variable(name, **{"is": is_}, start=start, shape=shape, stands_for=stands_for)

    # --- the graph

    def use(
        self, name: str, file: str, *, bind: Mapping[Name, Expressed] | None = None, with_: Changes | None = None
    ) -> FragmentName:
        """Another spec as a fragment. ``file``: below the folder that Python runs in. ``bind``: its observed variables as
        expressions of this spec. ``with_``: its dims, or addresses in it, and their values."""
        return FragmentName(self._entry("use", name, _given(file=file, bind=bind, **{"with": with_})))

    def function(self, name: str, form: FunctionForm | str, *, per: Name | None = None) -> FunctionName:
        """A deterministic map; applied twice, it shares its parameters. ``per``: an index, one for each of its slots."""
        return FunctionName(self._leaf("functions", name, form, per=per))

    def factor(
        self, name: str, form: FactorForm | str, *, weight: Number | Mapping[str, Number] | None = None
    ) -> FactorName:
        """A term of the energy, times its weight: a number, or what it is tuned to, as ``{"active_fraction": 0.05}``."""
        return FactorName(self._leaf("factors", name, form, weight=weight))

    def infer(self, name: str, form: MethodForm | str, *, per: Name | None = None) -> ProcedureName:
        """A way to fill in latent variables; the first is the default."""
        return ProcedureName(self._leaf("inference", name, form, per=per))

    # --- learning

    def learn(
        self,
        name: str,
        loss: Losses | None = None,
        *,
        train: Names | None = None,
        inference: Names | None = None,
        only: Names | None = None,
        without: Names | None = None,
        steps: Number | None = None,
        epochs: Number | None = None,
        batch_size: Number | None = None,
        labelled: Number | None = None,
        optimizer: OptimizerForm | str | None = None,
        learning_rate: Number | None = None,
        schedule: ScheduleForm | str | None = None,
        set: Changes | None = None,
        per: Name | None = None,
        on_dead: Literal["resample"] | None = None,
        health: Mapping[str, Number] | None = None,
        players: Mapping[str, Player] | None = None,
        workers: Workers | Literal["elastic"] | None = None,
    ) -> PhaseName:
        """A stretch of learning: what is minimised, what is trained, with which inference, for how long.

        ``loss``: the energy if left out; several by name add up. ``train``: all that the loss reaches. ``only``, ``without``: the
        factors seen. ``steps`` or ``epochs``, 10 epochs if both are left out. ``batch_size``: rows a step, or "all".
        ``labelled``: rows of each batch that have every variable. ``set``: addresses that have other values in this phase.
        ``per``: once for each slot, in order. ``on_dead``: what becomes of units that are hardly active. ``health``: bounds of
        measures of health. ``players``: the sides of a game.
        """
        form = _given(loss=loss, train=train, inference=inference, only=only, without=without, steps=steps, epochs=epochs)
        form |= _given(batch_size=batch_size, labelled=labelled, optimizer=optimizer, learning_rate=learning_rate)
        form |= _given(schedule=schedule, set=set, per=per, on_dead=on_dead, health=health, players=players, workers=workers)
        return PhaseName(self._entry("learning", name, form))

    def data(
        self,
        source: SourceForm | str,
        bind: Mapping[Value, str] | Mapping[str, str],
        *,
        count: Number | None = None,
        test: Number | None = None,
        labelled: Number | None = None,
        prepare: Sequence[StepForm | str] | None = None,
        augment: Sequence[AugmentationForm | str] | None = None,
        name: str = "",
    ) -> None:
        """Where samples come from. ``bind``: each observed variable to its field of the data. ``count`` samples to learn from,
        ``test`` held out, a number or a share. ``labelled``: rows that keep their labels. ``prepare``: done once, in order;
        ``augment``: done anew each time. ``name``: where several sources stand side by side."""
        written = source.written() if isinstance(source, SourceForm) else {"source": source}
        more = _given(count=count, test=test, labelled=labelled, prepare=prepare, augment=augment, bind=bind)
        self._put(("data", name) if name else ("data",), {**written, **more})

    # --- what is said of it

    def variant(self, name: str, changes: Changes) -> str:
        """The spec with other values at some addresses: a control, or a family if the values use an index."""
        return self._entry("variants", name, changes)

    def budget(self, name: str, changes: Changes) -> str:
        """The spec at another size: "full" is the source's own."""
        return self._entry("budgets", name, changes)

    def expect(
        self,
        name: str,
        claim: str,
        metric: Value | str,
        *,
        at_least: Number | None = None,
        at_most: Number | None = None,
        rises_with: Name | None = None,
        falls_with: Name | None = None,
        report: bool | None = None,
        source: str | None = None,
        published: str | float | None = None,
        only: Names | None = None,
        without: Names | None = None,
        seeds: Number | None = None,
        take: Literal["median", "mean", "best", "worst"] | None = None,
        budget: str | None = None,
        control: str | None = None,
    ) -> None:
        """What the model is said to do, as a number that one command checks, with a bound, or ``report``: printed, not judged.

        ``metric``: "energy(fast) / energy(optimal)". ``source``: where it stands, ``published``: its figure there. ``only``,
        ``without``: for its energies. ``seeds``: how many runs, of which it ``take``s the median. ``control``: a variant, or
        "start", where it must not hold.
        """
        form = _given(claim=claim, metric=metric, at_least=at_least, at_most=at_most, rises_with=rises_with)
        form |= _given(falls_with=falls_with, report=report, source=source, published=published, only=only, without=without)
        self._entry("expect", name, form | _given(seeds=seeds, take=take, budget=budget, control=control))

    def figure(self, name: str, type: str, of: Expressed | Sequence[Expressed], *, by: Name | None = None) -> None:
        """A picture beyond those that are chosen from the graph."""
        self._entry("figures", name, _given(type=type, of=of, by=by))

    # --- the end

    def spec(self) -> Spec:
        """The spec, checked as a file is. Raises :class:`~factorgraph.errors.SpecError` with all mistakes at their addresses."""
        values = {key: self._values[key] for key in FILE_KEYS if key in self._values}
        try:
            document = replace(read(as_yaml(values), self._file), unseen=True)
            spec = of_document(document)
        except SpecError as error:
            told = {each.path for each in self._issues}
            raise SpecError([*self._issues, *(self._addressed(each) for each in error.issues if each.path not in told)]) from None
        if self._issues:
            raise SpecError(self._issues)
        return spec

    def to_yaml(self) -> str:
        """The spec as YAML. Raises :class:`~factorgraph.errors.SpecError`."""
        return self.spec().to_yaml()

    # --- pieces

    def _addressed(self, it: Issue) -> Issue:
        """An issue of the text that Python's values were written as: nobody saw it, so that no line is named."""
        if it.place is None or it.place.address or it.place.file != self._file:
            return it
        return replace(it, place=replace(it.place, address=address(it.path) or "the spec"))

    def _variable(self, name: str, **keys: object) -> Value:
        return Value(self._entry("variables", name, _given(**keys)))

    def _leaf(self, block: str, name: str, form: Form | str, **common: object) -> str:
        more = _given(**common)
        written = form.written() if isinstance(form, Form) else {MAIN[block]: form}
        return self._entry(block, name, {**written, **more} if more else form)

    def _entry(self, block: str, name: str, value: object) -> str:
        self._put((block, name), value)
        return name

    def _put(self, path: Path, value: object) -> None:
        """A value at an address that is still free."""
        *above, last = path
        inside = self._values
        for key in above:
            inside = inside.setdefault(str(key), {})
        if last in inside:
            message = f"{address(path)} is written twice"
            self._issues.append(Issue("FG263", message, path, on="key", fix="keep one of them, or give the other another name"))
        inside[str(last)] = self._plain(value, path)

    def _plain(self, value: Any, path: Path) -> Any:
        """A value of Python as one of YAML: names and expressions as their texts, leaves as maps."""
        if isinstance(value, Handle):
            return str(value)
        if isinstance(value, Part):
            return self._plain(value.short(), path)
        if isinstance(value, Mapping):
            return {str(key): self._plain(each, (*path, str(key))) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(each, (*path, number)) for number, each in enumerate(value)]
        value = plain_number(value)
        if value is None or isinstance(value, bool | str | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        message = f"a spec cannot hold {kind_of(value)}"
        allowed = "texts, finite numbers, true and false, lists, maps, names from the builder, leaves by their classes' names"
        fix = "give the number, the name or the text that is meant"
        self._issues.append(Issue("FG264", message, path, allowed=allowed, fix=fix))
        return None


def _given(**keys: object) -> dict[str, object]:
    """What is not left out."""
    return {key: value for key, value in keys.items() if value is not None}
