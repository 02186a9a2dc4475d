"""Specs written in Python: the shipped ones are equal to their YAML and train alike, and mistakes are told as in a file."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg
from factorgraph import factors, functions, losses, methods, optimizers, solvers, sources, steps
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec import blocks
from factorgraph.spec.builder import Builder, Player, Workers
from factorgraph.spec.forms import BASES, form
from factorgraph.spec.handles import FunctionName, Value

ROOT = Path(__file__).parent.parent.parent


def with_a_dictionary(b: Builder, side: int, code: int) -> tuple[Value, Value, FunctionName]:
    """What the specs of natural patches begin with."""
    size, units = b.dim("side", side), b.dim("code", code)
    Y, Z = b.observed("Y", shape=size * size), b.latent("Z", shape=units)
    decoder = b.function("decoder", functions.Linear(bias=False, unit_norm="columns"))
    b.factor("reconstruction", factors.SquaredDistance(between=(Y, decoder(Z))))
    return Y, Z, decoder


def gabor_claims(b: Builder, decoder: FunctionName, Z: Value, claimed: str, dead: str, sources: tuple[str, str]) -> None:
    seen, found = fg.call("gabor_share", decoder), f"start.gabor_share({decoder})"
    b.expect("oriented", claimed, seen, at_least=0.40, control="start", source=f"{sources[0]}; calibrated: 0.41 to 0.53")
    calibrated = "calibrated: noise 0, patches 0.07 to 0.12"
    b.expect("control", "which they are not before learning", found, at_most=0.15, source=calibrated)
    b.expect("alive", dead, fg.call("dead", Z), at_most=0.05, source=sources[1])


PATCHES = [steps.RemoveMean(), steps.DropFlat(share=0.15), steps.Whiten(floor=0.02), steps.UnitVariance()]


def psd() -> Builder:
    b = fg.Builder(
        "psd",
        title="Predictive Sparse Decomposition on natural patches",
        lecture="Predictive Sparse Decomposition (PSD)",
        paper="Kavukcuoglu, Ranzato & LeCun 2008, arXiv:1010.3467",
    )
    Y, Z, decoder = with_a_dictionary(b, 12, 256)
    encoder = b.function("encoder", functions.Linear(activation="shrink"))
    b.factor("prediction", factors.SquaredDistance(between=(Z, encoder(Y))))
    b.factor("sparsity", factors.L1(of=Z), weight=3)
    optimal = b.infer("optimal", methods.Argmin(of=Z, start=encoder(Y)))
    fast = b.infer("fast", methods.Amortized(of=Z, by=encoder(Y)))
    b.learn("warm", losses.Energy(), steps=500, learning_rate=0.005, set={"factors.prediction.weight": 0.1})
    b.learn("joint", losses.Energy(), steps=1500, learning_rate=0.005)
    b.data(sources.NaturalPatches(size="side"), {Y: "image"}, count=80000, prepare=PATCHES)
    sources_ = ("Kavukcuoglu et al. 2008, figure of filters", "the bound of sparse_coding")
    gabor_claims(b, decoder, Z, "two filters in five are Gabor-like", "few units are dead", sources_)
    ratio = fg.call("energy", fast) / fg.call("energy", optimal)
    bound = "the bound of psd_mnist"
    b.expect("close", "the encoder replaces the search", ratio, at_most=1.25, control="start", source=bound)
    b.expect("cheap", "its code is near the best one", fg.call("relative_code_error", fast, optimal), report=True)
    published = "over 100 times the fastest sparse optimiser"
    b.expect("speedup", "and is 50 times faster", fg.call("speedup", fast, optimal), report=True, published=published)
    return b


def sparse_coding() -> Builder:
    b = fg.Builder(
        "sparse_coding",
        title="Sparse coding of natural patches",
        lecture="Sparse Coding & Sparse Modeling",
        paper="Olshausen & Field, Nature 1996; Vision Research 1997",
    )
    Y, Z, decoder = with_a_dictionary(b, 12, 256)
    b.factor("sparsity", factors.L1(of=Z), weight=3)
    b.infer("optimal", methods.Argmin(of=Z, solver=solvers.Fista(), steps=50))
    b.learn("dictionary", losses.Energy(), steps=2000, learning_rate=0.005)
    b.data(sources.NaturalPatches(size="side"), {Y: "image"}, count=100000, prepare=PATCHES)
    signals = {"source": "planted_codes", "units": 32, "atoms": 64, "active": 3, "count": 20000, "bind": {"Y": "signal"}}
    changes = {"dims.code": 64, "variables.Y.shape": [32], "factors.sparsity.weight": 0.3, "data": signals}
    b.variant("planted", changes)
    sources_ = ("Olshausen & Field 1996, figure of basis functions", "calibrated on photographs")
    gabor_claims(b, decoder, Z, "two atoms in five are Gabor-like", "fewer than 5 % of the atoms are dead", sources_)
    recovered, bound = f"planted.recovered({decoder})", "nine in ten, each with a cosine above 0.95"
    options = {"at_least": 0.90, "seeds": 3, "control": "start", "source": bound}
    b.expect("recovers", "90 % of planted atoms are found", recovered, take="worst", **options)
    return b


def encoder_decoder() -> Builder:
    b = fg.Builder(
        "encoder_decoder",
        title="Encoder-decoder, trained in two steps",
        lecture="Encoder-Decoder Architecture",
        paper="Kavukcuoglu, Ranzato & LeCun 2008",
    )
    Y, Z, decoder = with_a_dictionary(b, 10, 100)
    encoder = b.function("encoder", functions.Linear(activation="shrink"))
    prediction = b.factor("prediction", factors.SquaredDistance(between=(Z, encoder(Y))))
    b.factor("sparsity", factors.L1(of=Z))
    optimal = b.infer("optimal", methods.Argmin(of=Z, without=prediction))
    fast = b.infer("fast", methods.Amortized(of=Z, by=encoder(Y)))
    b.learn("generative", train=decoder, steps=2000)
    b.learn("encoder", train=[encoder], steps=2000)
    b.data("natural_patches", {Y: "image"}, count=50000, prepare=["remove_mean", PATCHES[1], "unit_variance"])
    b._values["data"]["size"] = "side"
    ratio = fg.call("energy", fast) / fg.call("energy", optimal)
    bound = "the bound of psd_mnist"
    options = {"at_most": 1.25, "control": "start", "source": bound}
    b.expect("close", "the encoder replaces the search", ratio, without=[prediction], **options)
    b.expect("speedup", "and is faster", fg.call("speedup", fast, optimal), report=True)
    return b


def kmeans() -> Builder:
    b = fg.Builder("kmeans", title="K-means with 20 code units", lecture="Energy functions of various methods")
    Y, Z = b.observed("Y", shape=[2]), b.latent("Z", shape=20, domain="one_hot")
    prototypes = b.function("prototypes", functions.Linear(bias=False, init="data"))
    b.factor("reconstruction", factors.SquaredDistance(between=(Y, prototypes(Z))))
    b.infer("nearest", methods.Argmin(of=Z))
    b.learn("fit", optimizer=optimizers.ClosedForm(), epochs=50, batch_size="all")
    b.data(sources.Curve(shape="spiral", turns=2, start=0.01), {Y: "point"}, count=2000)
    b.variant("parabola", {"data.shape": "parabola"})
    b.variant("few", {"variables.Z.shape": [3]})
    b.variant("few_on_parabola", {"data.shape": "parabola", "variables.Z.shape": [3]})
    b.expect("contrast", "twenty prototypes tile the spiral", "auc()", at_least=0.90, control="few", source="calibrated: 0.94")
    not_yet = "as on the spiral, not calibrated"
    there = "few_on_parabola"
    b.expect("on_parabola", "and the parabola", "parabola.auc()", at_least=0.95, control=there, source=not_yet)
    return b


SHIPPED: dict[str, Callable[[], Builder]] = {
    "psd": psd,
    "sparse_coding": sparse_coding,
    "encoder_decoder": encoder_decoder,
    "toy/kmeans": kmeans,
}
SIGNALS = "data={source: planted_codes, units: 25, atoms: 9, count: 60, bind: {Y: signal}}"
SMALL = [SIGNALS, "dims.side=5", "dims.code=9", "inference.optimal.steps=5"]
FEW = {  # a few steps on little data
    "psd": [*SMALL, "learning.warm.steps=3", "learning.joint.steps=3"],
    "sparse_coding": [*SMALL, "learning.dictionary.steps=4"],
    "encoder_decoder": [*SMALL, "learning.generative.steps=3", "learning.encoder.steps=3"],
    "toy/kmeans": ["learning.fit.epochs=2", "data.count=200"],
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_spec_written_in_python_is_that_spec(name: str) -> None:
    spec, shipped = SHIPPED[name]().spec(), fg.load(name)
    for field in ("name", "title", "source", "seed", "dims", "variables", "functions", "factors", "inference", "learning"):
        assert getattr(spec, field) == getattr(shipped, field), field
    assert (spec.data, spec.variants, spec.expect) == (shipped.data, shipped.variants, shipped.expect)
    assert spec == shipped
    assert fg.loads(spec.to_yaml(), f"{spec.name}.yaml") == spec


def numbers_of(run: fg.Run) -> str:
    """One number for all that a run has learned and measured, times apart."""
    digest = hashlib.sha256()
    for key, tensor in sorted(run.model.state_dict().items()):
        digest.update(key.encode() + np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    timed = ("seconds", "time", "speed", "rate", "memory")
    for row in run.folder.metrics.rows():
        digest.update(repr({key: value for key, value in row.items() if not any(word in key for word in timed)}).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_spec_in_python_and_its_yaml_give_the_same_run_bit_for_bit(name: str, tmp_path, monkeypatch) -> None:
    from factorgraph.spec.changes import set_option
    from factorgraph.spec.load import of_document

    monkeypatch.chdir(tmp_path)
    few = tuple(FEW[name])
    in_python = fg.train(of_document(set_option(SHIPPED[name]().spec().document, few)), tmp_path / "python")
    in_yaml = fg.train(fg.load(name, few), tmp_path / "yaml")
    assert numbers_of(in_python) == numbers_of(in_yaml)
    if name == "toy/kmeans":  # the number does tell runs apart
        assert numbers_of(in_python) != numbers_of(fg.train(fg.load(name, [*few, "seed=1"]), tmp_path / "other"))


def test_a_run_of_a_spec_written_in_python_holds_its_yaml(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    b = fg.Builder("mine")
    Y, Z = b.observed("Y", shape=2), b.latent("Z", shape=3)
    b.factor("fit", factors.SquaredDistance(between=(Y, b.function("decoder", functions.Linear())(Z))))
    b.factor("size", factors.SquaredDistance(between=(Z, 0)), weight=0.37)
    b.infer("optimal", methods.Argmin(of=Z))
    b.learn("all", steps=2)
    b.data(sources.Curve(turns=1), {Y: "point"}, count=50)
    run = fg.train(b.spec())
    assert run.path == Path("runs/mine-0001") or run.path.name == "mine-0001"
    again = fg.load(run.path / "spec.yaml")
    assert fg.loads((run.path / "spec.yaml").read_text(), "mine.yaml") == b.spec()
    assert again.learning == b.spec().learning
    assert fg.open(run.path).spec.factors == b.spec().factors


# --- mistakes


def broken() -> Builder:
    b = fg.Builder("broken")
    b.dim("side", 3)
    Y = b.observed("Y", shape="side * sied")
    Z = b.latent("Z", shape=4)
    decoder = b.function("decoder", functions.Linear(**{"unit_nrom": "columns"}))
    b.factor("fit", factors.SquaredDistance(between=(Y, decoder(Z) + Value("Q"))))
    b.factor("size", factors.L1(of=Z), weight=float("nan"))
    b.latent("Z", shape=5)
    b.variant("small", {"dims.sied": 2})
    return b


def test_mistakes_are_those_of_a_file_with_addresses_in_place_of_lines() -> None:
    with pytest.raises(fg.SpecError) as told:
        broken().spec()
    found = {(each.code, each.place.address if each.place else ".".join(map(str, each.path))) for each in told.value.issues}
    assert found == {
        ("FG263", "variables.Z"),
        ("FG264", "factors.size.weight"),
        ("FG311", "variables.Y.shape"),
        ("FG201", "functions.decoder.unit_nrom"),
        ("FG209", "factors.fit.between.1"),
        ("FG211", "variants.small.dims.sied"),
    }
    text = str(told.value)
    assert "  --> functions.decoder.unit_nrom\n" in text and "= fix: write unit_norm" in text
    assert "fit: {type: squared_distance, between: [Y, decoder(Z) + Q]}" in text
    assert ".yaml:" not in text


def test_a_mistake_that_a_later_stage_finds_names_its_address_too() -> None:
    b = fg.Builder("shapes")
    b.factor("fit", factors.SquaredDistance(between=(b.observed("Y", shape=3), b.observed("X", shape=4))))
    with pytest.raises(fg.SpecError) as told:
        fg.resolve(b.spec())
    assert "--> factors.fit" in str(told.value) and ".yaml:" not in str(told.value)


def test_a_change_in_python_is_shown_as_it_was_made() -> None:
    with pytest.raises(fg.SpecError) as told:
        kmeans().spec().with_changes({"learning.fit.epochs": -1}, "Python")
    assert "learning.fit.epochs=-1" in str(told.value)


@pytest.mark.parametrize("value", [object(), {1, 2}, float("inf"), np.zeros(3), functions.Linear, b"bytes"])
def test_what_no_spec_can_hold_is_told_where_it_was_given(value: object) -> None:
    b = fg.Builder()
    b.factor("fit", factors.L1(of=b.latent("Z", 3)))
    b.variant("odd", {"factors.fit.weight": [1, value]})
    with pytest.raises(fg.SpecError) as told:
        b.spec()
    assert told.value.issues[0].code == "FG264"
    assert "variants.odd.factors.fit.weight.1" in str(told.value)


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    b = fg.Builder()
    b.factor("fit", factors.L1(of=b.latent("Z", np.int64(3))), weight=np.float32(0.5))
    assert "shape: 3}" in b.to_yaml() and "weight: 0.5}" in b.to_yaml()
    assert b.spec().factors["fit"].weight() == 0.5


def test_characters_that_no_text_holds_are_told() -> None:
    b = fg.Builder(title="a\x00b")
    b.factor("fit", factors.L1(of=b.latent("Z", 3)))
    with pytest.raises(fg.SpecError) as told:
        b.spec()
    assert told.value.issues[0].code == "FG103" and "--> the spec" in str(told.value)


# --- what editors and type checkers see


@pytest.mark.parametrize("family", sorted(set(BASES) & set(FAMILIES)))
def test_every_leaf_is_written_by_its_class_name_with_its_options_and_its_words(family: str) -> None:
    import importlib

    package = importlib.import_module(FAMILIES[family])
    assert dir(package) == sorted(cls.__name__ for cls in leaves(family).values())
    for kind, cls in leaves(family).items():
        made = getattr(package, cls.__name__)
        assert made is form(family, kind) and issubclass(made, BASES[family])
        signature = inspect.signature(made).parameters
        assert set(cls.model_fields) - {"type"} <= set(signature)
        assert all(each.kind is each.KEYWORD_ONLY for each in signature.values())
        for name, info in cls.model_fields.items():
            assert name == "type" or (signature[name].default is signature[name].empty) == info.is_required()
        assert inspect.cleandoc(cls.__doc__ or "") in (made.__doc__ or "")


def test_a_class_that_is_not_there_is_told_with_its_neighbour() -> None:
    with pytest.raises(AttributeError, match=r"no Liner\. Did you mean Linear"):
        _ = functions.Liner
    with pytest.raises(AttributeError):
        _ = functions.linearly


OWN = {"self", "name", "return"}


@pytest.mark.parametrize(
    "method, cls, apart",
    [
        (Builder.learn, blocks.Phase, set()),
        (Builder.expect, blocks.Claim, set()),
        (Builder.data, blocks.DataBlock, set()),
        (Builder.figure, blocks.Figure, set()),
        (Builder.use, blocks.Use, set()),
        (Player.__init__, blocks.Player, set()),
        (Workers.__init__, blocks.Workers, set()),
    ],
    ids=lambda each: getattr(each, "__qualname__", ""),
)
def test_the_builder_knows_every_key_of_an_entry(method, cls, apart) -> None:
    assert set(inspect.signature(method).parameters) - OWN == set(cls.model_fields) - apart


def test_the_builder_knows_every_key_of_a_variable() -> None:
    ways = (Builder.observed, Builder.latent, Builder.noise, Builder.derived)
    known = {name for way in ways for name in inspect.signature(way).parameters} - OWN
    assert known == set(blocks.Variable.model_fields) - {"kind"}


def test_what_type_checkers_read_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "tools/stubs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


RIGHT = '''
import factorgraph as fg
from factorgraph import factors, functions, losses, methods, optimizers, sources, steps

b = fg.Builder("psd", title="typed")
side, t = b.dim("side", 12), b.index("t", 3)
Y, Z = b.observed("Y", shape=side * side), b.latent("Z", shape=[4, "side"], domain="binary")
decoder = b.function("decoder", functions.Linear(bias=False, unit_norm="columns", units=side * side))
fit = b.factor("fit", factors.SquaredDistance(between=(Y, decoder(Z))), weight=0.37)
b.factor("x", fg.factors.L1(of=2 * Z[t - 1] - Z.what + decoder.transpose(Y)))
optimal = b.infer("optimal", methods.Argmin(of=Z, start=decoder(Y), without=[fit]))
b.learn("joint", losses.Energy(only=fit), train=[decoder, "x"], optimizer=optimizers.Adam(), set={"dims.side": 3})
b.learn("game", players={"one": fg.Player(train=decoder, loss={"a": "energy", "b": losses.Energy(weight=2)})})
b.data(sources.NaturalPatches(size=side), bind={Y: "image"}, prepare=[steps.Whiten(floor=0.02), "unit_variance"])
b.expect("close", "in words", fg.call("energy", optimal) / fg.call("energy", "x"), at_most=1)
first = b.use("first", "x.yaml", bind={"Y": Z + 1})
b.factor("y", factors.L1(of=first.decoder(first.Z)))
spec: fg.Spec = b.spec()
'''
WRONG = {
    'functions.Linear(unit_nrom="columns")': "call-arg",
    'functions.Linear(unit_norm="colums")': "arg-type",
    "factors.L1()": "call-arg",
    "factors.L3(of=Z)": "attr-defined",
    'b.factor("z", functions.Linear())': "arg-type",
    "methods.Argmin(of=Z, solver=factors.L1(of=Z))": "arg-type",
    "Z(Y)": "operator",
    'b.learn("z", stepps=3)': "call-arg",
    "optimal + 1": "operator",
    "list(Z)": "call-overload",
}


@pytest.mark.slow
def test_mypy_sees_options_leaves_and_methods(tmp_path) -> None:
    (tmp_path / "written.py").write_text(RIGHT + "\n".join(WRONG) + "\n")
    before = len(RIGHT.splitlines())
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "written.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=None)
    errors = [line.split(": ", 2) for line in done.stdout.splitlines() if line.startswith("written.py:") and ": error:" in line]
    found = [(int(line.split(":")[1]) - before, text[text.rindex("[") + 1 : -1]) for line, _, text in errors]
    assert found == list(enumerate(WRONG.values(), 1)), done.stdout
