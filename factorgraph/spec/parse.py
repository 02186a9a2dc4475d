"""Document to Spec: every entry checked by its class, all mistakes of a file found in one go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from factorgraph.errors import Issue, Path
from factorgraph.spec import fragments, names
from factorgraph.spec.blocks import Claim, DataBlock, Figure, Phase, Variable, several_sources
from factorgraph.spec.choices import Mistake, Mistakes, checked, find, keys_of, missing_type
from factorgraph.spec.constants import Constants, as_count
from factorgraph.spec.declared import Declared, FactorEntry, Scales
from factorgraph.spec.document import Document
from factorgraph.spec.expressions import kind_of
from factorgraph.spec.language import NAME, SINGULAR, VERSION
from factorgraph.spec.problems import Entry, issues_of, unknown_key
from factorgraph.spec.schema import Data, Spec, name_of
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError, check_name
from factorgraph.structure import Leaf

M = TypeVar("M", bound=BaseModel)

FILE_KEYS = (
    *("factorgraph", "title", "source", "seed", "dims", "indices", "use", "variables", "functions", "factors", "inference"),
    *("learning", "data", "variants", "budgets", "expect", "figures"),
)
IN_EXPRESSIONS = ("dims", "indices", "use", "variables", "functions", "factors", "inference", "learning", "variants")
BLOCKS = ("use", "variables", "functions", "factors", "inference", "learning", "expect", "figures")
FRAGMENT_DROPS = ("learning", "data", "variants", "budgets", "expect", "figures")  # a fragment gives its graph and its inference
MAIN = {"variables": "is", "functions": "type", "factors": "type", "inference": "method", "learning": "loss", "use": "file"} | {
    "data": "source",
    "figures": "type",
}
FAMILY = {"functions": "functions", "factors": "factors", "inference": "methods"}
COMMON = {"functions": ("per",), "factors": ("weight",), "inference": ("per",)}


class Reading:
    """One pass over a document. ``issues`` collects what is wrong; what is built is whole only if there are none."""

    def __init__(self, document: Document, above: fragments.Above | None = None):
        self.document = document
        self.above = above or fragments.Above()
        self.issues: list[Issue] = []
        self.misspelt = _misspelt(document.values)
        written = {self.misspelt.get(key, key): value for key, value in document.values.items()}
        self.values = {key: value for key, value in written.items() if not (self.above.files and key in FRAGMENT_DROPS)}
        self.scales = Scales()
        self.inside: dict[str, names.Names] = {}  # of the fragments
        self.names = names.Names.of({}, {}, ())

    def run(self) -> Spec | None:
        """The spec, or nothing if there are mistakes."""
        self.top()
        self.read_scales()
        use = fragments.used(self)
        variables = self.models("variables", Variable)
        functions = self.leaves("functions")
        factors = self.factors()
        inference = self.leaves("inference")
        learning = self.models("learning", Phase)
        data = self.data()
        expect = {name: each.first for name, each in self.models("expect", Claim).items()}
        figures = self.models("figures", Figure)
        spec = Spec(
            name=name_of(self.document.file),
            title=str(self.values.get("title") or ""),
            source=dict(self.values["source"]) if isinstance(self.values.get("source"), Mapping) else {},
            seed=self.seed(),
            dims=self.evaluated_dims(),
            indices=self.scales.indices,
            use=use,
            variables=variables,
            functions=functions,
            factors=factors,
            inference=inference,
            learning=learning,
            data=data,
            variants=self.changes("variants"),
            budgets=self.changes("budgets"),
            expect=expect,
            figures=figures,
            scales=self.scales,
            document=self.document,
        )
        spec = fragments.whole(spec) if use else spec
        self.names = names.Names.of(self.values, self.inside, use)
        self.issues += names.Checks(spec, self.values, self.names).run()
        errors = [each for each in self.issues if not each.is_warning]
        return None if errors else replace(spec, warnings=tuple(self.issues))

    # --- the head of the file

    def top(self) -> None:
        for key in (*self.misspelt, *(key for key in self.values if key not in FILE_KEYS)):
            self.issues.append(unknown_key(key, FILE_KEYS, "a spec", (key,)))
        version = self.values.get("factorgraph")
        if version is None:
            message = "a spec needs factorgraph: 1, the version of the language"
            self.issues.append(Issue("FG202", message, (), fix="begin with: factorgraph: 1"))
        elif version is not None and (version != VERSION or isinstance(version, bool)):
            message = f"this version reads language version {VERSION}, not {version}"
            self.issues.append(Issue("FG214", message, ("factorgraph",), fix=f"write {VERSION}", replacement=str(VERSION)))
        for key in ("title",):
            if key in self.values and not isinstance(self.values[key], str):
                self.wrong((key,), self.values[key], "a text")
        self.source()
        for block in (*BLOCKS, "variants", "budgets", "dims", "indices"):
            if self.values.get(block) is not None and not isinstance(self.values[block], Mapping):
                self.wrong((block,), self.values[block], "a map of names")

    def source(self) -> None:
        source = self.values.get("source")
        if source is None:
            return
        if not isinstance(source, Mapping):
            self.wrong(("source",), source, "a map with the keys lecture, paper")
            return
        for key, value in source.items():
            if key not in ("lecture", "paper"):
                self.issues.append(unknown_key(key, ("lecture", "paper"), "source", ("source", key)))
            elif not isinstance(value, str):
                self.wrong(("source", key), value, "a text")

    def seed(self) -> int:
        seed = self.values.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            self.wrong(("seed",), seed, "a whole number of at least 0")
            return 0
        return seed

    def wrong(self, path: Path, value: Any, wanted: str) -> None:
        name = ".".join(str(each) for each in path)
        self.issues.append(Issue("FG203", f'"{name}" takes {wanted}, not {kind_of(value)}', path, fix=f"give {wanted}"))

    # --- dims and indices

    def block(self, name: str) -> Mapping[str, Any]:
        value = self.values.get(name)
        return value if isinstance(value, Mapping) else {}

    def read_scales(self) -> None:
        dims = dict(self.block("dims"))
        for name, value in dims.items():
            self.check_name(("dims", name))
            if not isinstance(value, int | float | str | list) or isinstance(value, bool):
                self.wrong(("dims", name), value, "a number, a constant expression, or a list of them")
                dims[name] = 1
        indices: dict[str, int] = {}
        constants = Constants(dims)
        for name, value in self.block("indices").items():
            self.check_name(("indices", name))
            try:
                indices[name] = as_count(constants.evaluate(value), value)
            except ExpressionError as error:
                self.issues.append(error.issue(("indices", name)))
                indices[name] = 1
        self.issues += Constants(dims, {}, None, tuple(indices)).check()
        self.scales = Scales(dims, indices)

    def evaluated_dims(self) -> dict[str, Any]:
        constants = self.scales.constants()
        found: dict[str, Any] = {}
        for name, value in self.scales.dims.items():
            try:
                found[name] = tuple(map(constants.evaluate, value)) if isinstance(value, list) else constants.evaluate(value)
            except ExpressionError:
                found[name] = None  # told by the check of all dims
        return found

    def check_name(self, path: Path) -> None:
        name = str(path[-1])
        why = check_name(name) if path[0] in IN_EXPRESSIONS or not re.fullmatch(NAME, name) else ""
        if why:
            message = why if why.startswith(f'"{name}"') else f'"{name}" cannot be a name: {why}'
            self.issues.append(Issue("FG207", message, path, on="key", fix="choose another name"))

    def entries(self, block: str) -> Iterable[tuple[Path, str, Any]]:
        for name, value in self.block(block).items():
            self.check_name((block, name))
            yield (block, name), f'{SINGULAR[block]} "{name}"', value

    # --- entries

    def long(self, path: Path, value: Any, label: str, main: str | None) -> dict[str, Any] | None:
        """An entry's mapping; a short form written out."""
        if isinstance(value, Mapping):
            return dict(value)
        short = isinstance(value, str) or (main == "is" and isinstance(value, int | float) and not isinstance(value, bool))
        if main is not None and short:
            return {main: value}
        self.issues.append(Issue("FG203", f"{label} takes a map of keys, not {kind_of(value)}", path, fix="give a map of keys"))
        return None

    def check(self, declared: Declared[Any], entry: Entry, about: tuple[str, str], extra: tuple[str, ...] = ()) -> bool:
        """Whether the entry is right at every slot of its index; the first slot that is not is reported."""
        for slots in self.scales.all_slots(declared.per):
            context = {"constants": self.scales.constants(slots)}
            try:
                checked(declared.cls, declared.values, context, about, extra)
            except Mistakes as mistakes:
                found = issues_of(mistakes.found, entry)
                at = f"at {declared.per} = {slots[declared.per]}" if declared.per and slots[declared.per] else ""
                self.issues += [replace(each, notes=(*each.notes, at)) if at else each for each in found]
                return False
        return True

    def size(self, variable: str) -> int:
        """Sizes are not known before shapes; that there is such a variable is."""
        if variable not in self.block("variables"):
            raise KeyError(variable)
        return 1

    def index(self, path: Path, value: Any) -> str | None:
        """The index that an entry has one copy for each slot of."""
        if value is None:
            return None
        if isinstance(value, str) and value in self.scales.indices:
            return value
        self.issues.append(names.unknown("index", value, tuple(self.scales.indices), (*path, "per")))
        return None

    def models(self, block: str, cls: type[M]) -> dict[str, Declared[M]]:
        found: dict[str, Declared[M]] = {}
        for path, label, value in self.entries(block):
            values = self.long(path, value, label, MAIN.get(block))
            if values is None:
                continue
            per = self.index(path, values["per"]) if "per" in values and "per" in keys_of(cls) else None
            declared = Declared(path, values, cls, self.scales, per)
            if self.check(declared, Entry(path, value, label, "type", block), (block, "")):
                found[str(path[-1])] = declared
        return found

    def leaves(self, block: str) -> dict[str, Declared[Any]]:
        found: dict[str, Declared[Any]] = {}
        for path, label, value in self.entries(block):
            values = self.long(path, value, label, MAIN[block])
            declared = None if values is None else self.leaf(path, label, value, values)
            if declared is not None:
                found[str(path[-1])] = declared
        return found

    def leaf(self, path: Path, label: str, written: Any, values: dict[str, Any]) -> Declared[Any] | None:
        """An entry whose class is a leaf of a family, found by its type."""
        block = str(path[0])
        family, main, common = FAMILY[block], MAIN[block], COMMON[block]
        entry = Entry(path, written, label, main, family)
        per = self.index(path, values.pop("per", None)) if "per" in common else None
        for key in common:
            values.pop(key, None)
        if main not in values:
            self.issues += issues_of([missing_type(family, values)], entry)
            return None
        values = {"type": values.pop(main), **values}
        try:
            cls = find(family, values["type"])
        except Mistakes as mistakes:
            self.issues += issues_of(mistakes.found, entry)
            return None
        declared: Declared[Leaf] = Declared(path, values, cls, self.scales, per)
        activation = self.activation(values, cls, entry)
        return declared if self.check(declared, entry, (family, values["type"]), common) and activation else None

    def activation(self, values: Mapping[str, Any], cls: type[Leaf], entry: Entry) -> bool:
        """Whether the activation of a function, if it has one, is a function of this version."""
        if "activation" not in cls.model_fields or not isinstance(values.get("activation"), str):
            return True
        try:
            find("functions", name := values["activation"], "activation").model_validate({})
        except Mistakes as mistakes:
            self.issues += issues_of(mistakes.found, entry)
            return False
        except ValidationError:
            why = f"{name} cannot be an activation: it needs options of its own"
            fix = f"declare a function of type {name}, and apply it to the result"
            self.issues.append(Issue("FG336", why, (*entry.path, "activation"), fix=fix))
            return False
        return True

    def factors(self) -> dict[str, FactorEntry]:
        found: dict[str, FactorEntry] = {}
        for name, declared in self.leaves("factors").items():
            written = self.values["factors"][name]
            entry = FactorEntry(declared.path, declared, written.get("weight", 1.0) if isinstance(written, Mapping) else 1.0)
            if self.weight(entry):
                found[name] = entry
        return found

    def weight(self, entry: FactorEntry) -> bool:
        slots = dict.fromkeys(self.scales.indices, 0)  # which of them are free, shapes will tell
        try:
            entry.weight(slots, self.size)
        except ExpressionError as error:
            self.issues.append(error.issue((*entry.path, "weight")))
            return False
        return True

    def data(self) -> Data | None:
        value = self.values.get("data")
        if value is None:
            return None
        if not several_sources(value):
            found = {"": self.data_block(("data",), value, "data")}
        else:
            for name in value:
                self.check_name(("data", name))
            found = {str(name): self.data_block(("data", name), each, f'data "{name}"') for name, each in value.items()}
        whole = {name: each for name, each in found.items() if each is not None}
        return Data(whole) if len(whole) == len(found) else None

    def data_block(self, path: Path, value: Any, label: str) -> Declared[DataBlock] | None:
        values = self.long(path, value, label, "source")
        if values is None:
            return None
        own = {key: values[key] for key in keys_of(DataBlock) if key in values}
        options = {key: each for key, each in values.items() if key not in own}
        entry = Entry(path, value, label, "source", "data")
        context = {"constants": self.scales.constants()}
        mistakes: list[Mistake] = []
        if "source" in own:
            try:
                cls = find("data", own["source"])
                about, common = ("data", own["source"]), keys_of(DataBlock)[1:]
                own["source"] = checked(cls, {"type": own["source"], **options}, context, about, common)
            except Mistakes as found:
                mistakes += found.found
        else:
            mistakes.append(missing_type("data", options))
            own["source"] = None
        try:
            checked(DataBlock, own, context, ("data", ""))
        except Mistakes as found:
            mistakes += found.found
        self.issues += self.after_another_source(path, values, issues_of(mistakes, entry))
        return None if mistakes else Declared(path, own, DataBlock, self.scales)

    def after_another_source(self, path: Path, values: Mapping[str, Any], found: list[Issue]) -> list[Issue]:
        """Where ``--set data.source=...`` left options of the source that was there: the whole block is to be replaced."""
        place = self.document.place((*path, "source"))
        if not place.origin:
            return found
        bound = values.get("bind")
        bind = ", ".join(f"{name}: {field}" for name, field in bound.items()) if isinstance(bound, Mapping) else "..."
        whole = f"{'.'.join(map(str, path))}={{source: {values.get('source')}, bind: {{{bind}}}, ...}}"
        fix = f'it is an option of the source that stood here: replace the whole block, --set "{whole}"'
        return [replace(each, fix=fix) if each.code == "FG201" and each.replacement is None else each for each in found]

    def changes(self, block: str) -> dict[str, Mapping[str, Any]]:
        found = {}
        for path, _, value in self.entries(block):
            if isinstance(value, Mapping):
                found[str(path[-1])] = value
            else:
                self.wrong(path, value, "a map of addresses and values")
        return found


def _misspelt(values: Mapping[str, Any]) -> dict[str, str]:
    """Keys of a file that are not quite a block's: they are told, and read as the block, so that nothing is missed below."""
    found: dict[str, str] = {}
    for key in values:
        meant = None if key in FILE_KEYS else near(key, FILE_KEYS)
        if meant is not None and meant not in values and meant not in found.values():
            found[key] = meant
    return found


def read_spec(document: Document) -> tuple[Spec | None, list[Issue]]:
    """The spec, if nothing is wrong, and everything that is."""
    reading = Reading(document)
    spec = reading.run()
    unique, heads = dict[tuple[Any, ...], Issue](), {meant: key for key, meant in reading.misspelt.items()}
    for it in reading.issues:
        each = replace(it, path=(*(heads.get(str(head), head) for head in it.path[:1]), *it.path[1:]))
        unique.setdefault((each.code, each.path, each.on, each.span, each.place), each)
    return spec, list(unique.values())


