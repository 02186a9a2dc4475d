"""What holds for every measure of health: it says what it is and what helps, tells planted trouble, and waits for no device."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph import registry
from factorgraph.compile.procedures import Found
from factorgraph.spec.load import loads
from factorgraph.training.health._base import HealthLeaf, Step
from factorgraph.training.objective import Batch
from factorgraph.training.sides import Stretch, stretches
from factorgraph.training.watch import Watch

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [5]}, Z: {kind: latent, shape: [6]}}
functions: {decoder: {type: linear, bias: false}, encoder: {type: linear, bias: false}}
factors:
  fit:        {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  prediction: {type: squared_distance, between: [encoder(Y), Z], weight: 0.37}
  sparsity:   {type: l1, of: Z, weight: 0.1}
inference:
  best: {method: argmin, of: Z, solver: ista}
  fast: {method: amortized, of: Z, by: encoder(Y)}
  again: {method: argmin, of: Z, solver: ista, steps: 3}
learning: {fit: {loss: energy, steps: 100HEALTH}}
"""
RNG = np.random.default_rng(7)
FULL = RNG.normal(size=(2, 8, 6)).astype(np.float32)  # two steps of eight rows
INPUTS = RNG.normal(size=(2, 8, 5)).astype(np.float32)
CODES = np.where(np.arange(96).reshape(FULL.shape) % 5 < 2, FULL, 0)
LATE = np.zeros((2, 8), np.int64)
GAPS = np.full((2, 8), 1e-5, np.float32)


@dataclass
class Case:
    """What two steps show, and the number that is to come out for a subject."""

    subject: str
    number: float
    codes: Any = field(default_factory=lambda: CODES)
    status: Any = field(default_factory=lambda: LATE)
    gaps: Any = field(default_factory=lambda: GAPS)
    losses: tuple[float, float] = (1.0, 1.0)
    prepare: Callable[[Stretch], None] = lambda stretch: None


def silent() -> Case:
    codes = CODES.copy()
    codes[:, :, [1, 4]] = 0
    codes[..., 3] = 0
    codes[0, 0, 3] = 1  # one of sixteen, and the average is active in four: alive
    return Case("Z", 2 / 6, codes)


def repeated() -> Case:
    def plant(stretch: Stretch) -> None:
        with torch.no_grad():
            matrix = stretch.view.model.tensors()["functions.decoder"]["matrix"]
            matrix[:, 3] = -2 * matrix[:, 1]

    return Case("decoder", 1 / 6, prepare=plant)


def late() -> Case:
    status = LATE.copy()
    status[0, :7], status[1, 2:7] = 1, 1
    return Case("best", 12 / 16, status=status)


def far() -> Case:
    gaps = GAPS.copy()
    gaps[0, 5] = 0.37
    return Case("best", 0.37, gaps=gaps)


def wild() -> Case:
    def plant(stretch: Stretch) -> None:
        with torch.no_grad():
            stretch.view.model.tensors()["functions.encoder"]["matrix"].copy_(torch.from_numpy(3 * ENCODER))

    predicted = np.einsum("sbi,oi->sbo", INPUTS, 3 * ENCODER)
    return Case("prediction", float(((CODES - predicted) ** 2).sum() / (CODES**2).sum()), prepare=plant)


BEST = np.linalg.lstsq(INPUTS.reshape(16, 5), CODES.reshape(16, 6), rcond=None)[0].T  # predicts better than zeros
ENCODER = RNG.normal(size=(6, 5)).astype(np.float32)
GROWN = 40.0
PLANTED: dict[str, Case] = {
    "dead": silent(),
    "duplicate": repeated(),
    "dense": Case("Z", 79 / 96, np.where(np.arange(96).reshape(FULL.shape) < 79, FULL, 0)),
    "code_scale": Case("Z", GROWN * float(np.linalg.norm(CODES, axis=2).mean()), GROWN * CODES),
    "step_limit": late(),
    "gap": far(),
    "mismatch": wild(),
    "dominance": Case("players", 500.0, losses=(-0.004, 2.0)),
}
SHARES = ("dead", "duplicate", "step_limit", "dense")  # measures that are at most 1
HEALTH = sorted(registry.leaves("health"))


def look(case: Case, stretch: Stretch, watch: Watch) -> dict[str, Any]:
    """The row of a look at two steps."""
    for codes, inputs, status, gaps in zip(case.codes, INPUTS, case.status, case.gaps, strict=True):
        found = Found({"Z": torch.from_numpy(codes)}, torch.from_numpy(status), torch.ones(8), torch.from_numpy(gaps))
        for player, loss in zip(("one", "other"), case.losses, strict=True):
            batch = Batch(stretch.view, {"Y": torch.from_numpy(inputs)}, ("best",), found={"best": found})
            batch.factors = tuple(stretch.view.graph.factors)
            batch.energy(batch.inferred())
            watch.see(stretch, Step(batch, player, torch.tensor(loss)))
    row: dict[str, Any] = {}
    watch.end(stretch, row)
    watch.clear()
    list(watch.read())
    return row


def stretch_of(health: str = "") -> Stretch:
    sides = "players: {one: {train: [decoder]}, other: {train: [encoder]}}" if "dominance" in health else "loss: energy"
    spec = loads(SPEC.replace("HEALTH", health).replace("loss: energy", sides))
    stretch = stretches(compiler.build(spec), rows=100)[0]
    with torch.no_grad():
        stretch.view.model.tensors()["functions.encoder"]["matrix"].copy_(torch.from_numpy(BEST))
    return stretch


def test_each_measure_has_trouble_that_is_planted_here():
    assert sorted(PLANTED) == HEALTH


@pytest.mark.parametrize("name", HEALTH)
def test_a_measure_says_what_it_is_from_where_on_it_is_trouble_and_what_helps(name):
    cls = registry.leaves("health")[name]
    described = registry.describe("health", name)
    assert issubclass(cls, HealthLeaf) and cls.title and len(cls.title) <= 40
    assert described.summary.endswith(".") and len(described.summary) <= 120
    lines = inspect.cleandoc(cls.__doc__).split("\n")
    for word in (".. math:: ", "Healthy:  ", "Remedy:   ", "Source:   "):
        assert any(line.startswith(word) for line in lines), f"{name} has no line {word.strip()}"
    assert cls.model_fields["at_most"].description and cls().at_most > 0


@pytest.mark.parametrize("name", HEALTH)
def test_planted_trouble_is_measured_and_told_and_a_healthy_model_has_none(name):
    stretch, watch, case = stretch_of(), Watch(), PLANTED[name]
    row = look(Case("", 0), stretch, watch)
    assert watch.trouble == {}
    json.dumps(row, allow_nan=False)
    case.prepare(stretch)
    row = look(case, stretch, watch)
    assert row["health"][name][case.subject] == pytest.approx(case.number, rel=1e-5)
    told = watch.trouble[f"{name}/{case.subject}"]
    assert ": " in told and len(told) <= 130 and "\n" not in told
    bound = 2 * case.number if name != "code_scale" else 2 * GROWN
    wide = stretch_of(f", health: {{{name}: {min(bound, 1.0) if name in SHARES else bound}}}")
    calm = Watch()
    look(Case("", 0), wide, calm)
    case.prepare(wide)
    look(case, wide, calm)
    assert f"{name}/{case.subject}" not in calm.trouble


def test_a_poor_prediction_is_told_by_what_predicts_and_what_it_misses():
    """The name of the factor alone leaves open what predicts what, and of what the number is."""
    stretch, watch, case = stretch_of(), Watch(), wild()
    case.prepare(stretch)
    look(case, stretch, watch)
    told = watch.trouble["mismatch/prediction"]
    assert told.startswith(f"encoder(Y) is further from Z than zeros are ({case.number:.2g} of its squared length): train longer")


MAPS = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [1, 6, 6]}, Z: {kind: latent, shape: [3, 4, 4]}}
functions: {decoder: {type: convolution, kernel: 3, padding: full, bias: false}}
factors: {fit: {type: squared_distance, between: [Y, decoder(Z)]}, sparsity: {type: l1, of: Z}}
inference: {best: {method: argmin, of: Z, steps: 1}}
learning: {fit: {loss: energy, steps: 100}}
"""


def test_of_kernels_whole_maps_are_dead():
    """A place that is silent learns from all others; a map that is silent at all of them learns nothing."""
    (stretch,) = stretches(compiler.build(loads(MAPS)), rows=100)
    code = torch.zeros(8, 3, 4, 4)
    code[:, 0, 1:3, 1:3] = 1.0
    code[:, 2, 0, 0] = 1.0
    for maps, told in ((code, "1 of 3 maps of Z are hardly ever active"), (code[:, [0, 0, 2]], "")):
        watch, row = Watch(), {}
        found = {"best": Found({"Z": maps}, *[torch.zeros(8)] * 3)}
        batch = Batch(stretch.view, {"Y": torch.zeros(8, 1, 6, 6)}, ("best",), found=found)
        batch.factors = tuple(stretch.view.graph.factors)
        batch.energy(batch.inferred())
        watch.see(stretch, Step(batch, "model", torch.tensor(1.0)))
        watch.end(stretch, row)
        list(watch.read())
        assert row["health"]["dead"]["Z"] == pytest.approx(1 / 3 if told else 0.0)
        assert watch.trouble.get("dead/Z", "").partition(":")[0] == told


def test_nothing_is_read_off_a_device():
    spec = loads(SPEC.replace("HEALTH", ""))
    model = compiler.build(spec).to("meta")
    stretch, watch = stretches(model, rows=100)[0], Watch("meta")
    batch = Batch(stretch.view, {"Y": torch.empty(8, 5, device="meta")}, ("best", "fast"))
    batch.factors = tuple(stretch.view.graph.factors)
    batch.energy(batch.inferred())
    for _ in range(2):
        watch.see(stretch, Step(batch, "model", batch.zero()))
    watch.end(stretch, {})
    assert {key.split("/")[0] for key in watch.shown} == set(HEALTH) - {"duplicate"}


def test_what_is_gathered_is_restored_to_the_bit():
    stretch, watch, other = stretch_of(), Watch(), Watch()
    look(Case("", 0), stretch, watch)
    sure = torch.zeros(8, dtype=torch.int64), torch.ones(8), torch.ones(8)
    found = {"best": Found({"Z": torch.from_numpy(CODES[0])}, *sure), "again": Found({"Z": torch.from_numpy(CODES[1])}, *sure)}
    for player in ("other", "one"):
        watch.see(stretch, Step(Batch(stretch.view, {}, (), found=found), player, torch.tensor(0.37)))
    tensors, about = watch.state()
    other.restore(tensors, json.loads(json.dumps(about)))
    assert other.first == watch.first and other.first
    assert {key: each.tolist() for key, each in other.shown.items()} == {key: each.tolist() for key, each in watch.shown.items()}
    other.shown = dict(reversed(other.shown.items()))  # files keep no order
    rows: list[dict[str, Any]] = [{}, {}]
    for each, row in zip((watch, other), rows, strict=True):
        each.end(stretch, row)
        list(each.read())
    assert json.dumps(rows[0]) == json.dumps(rows[1])


def test_columns_of_a_choice_repeat_each_other_only_if_they_are_equal():
    choice = SPEC.replace("shape: [6]}}", "shape: [6], domain: one_hot}}")
    text = "\n".join(line for line in choice.splitlines() if "sparsity" not in line and "again" not in line)
    spec = loads(text.replace(", solver: ista", "").replace("HEALTH", ""))
    stretch = stretches(compiler.build(spec), rows=100)[0]
    measure = next(each for each in stretch.measures if each.type == "duplicate")
    columns = np.full((6, 5), 10.0)
    columns[range(6), [0, 0, 0, 1, 1, 4]] += [1, 2, -1, 1, 3, 5]
    with torch.no_grad():
        matrix = stretch.view.model.tensors()["functions.decoder"]["matrix"]
        matrix.copy_(torch.from_numpy(columns.T))
        assert float(measure.values({}, stretch)["decoder"]) == 0
        matrix[:, 5] = matrix[:, 3] * 1.0003
    assert float(measure.values({}, stretch)["decoder"]) == pytest.approx(1 / 6)
    assert measure.sentence("decoder", 1 / 6, 0.0, stretch) == "1 of 6 columns of decoder repeat another: fewer units"


def test_the_advice_on_repeated_columns_names_what_makes_codes_sparse():
    stretch = stretch_of()
    measure = next(each for each in stretch.measures if each.type == "duplicate")
    assert measure.sentence("decoder", 0.5, 0.0, stretch).endswith(": fewer units, or a larger factors.sparsity.weight")


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        ("0.1", "82 % of the units of Z are active: a larger factors.sparsity.weight (now 0.1)"),
        ("{of_maximum: 0.01}", "82 % of the units of Z are active: a larger factors.sparsity.weight (now {of_maximum: 0.01})"),
        ("{active_fraction: 0.8}", ""),  # what was asked for
        ("0", ""),
    ],
)
def test_a_dense_code_is_told_with_the_weight_that_makes_it_sparse(weight, told):
    spec = SPEC.replace("of: Z, weight: 0.1", f"of: Z, weight: {weight}").replace("HEALTH", "")
    stretch, watch = stretches(compiler.build(loads(spec)), rows=100)[0], Watch()
    look(PLANTED["dense"], stretch, watch)
    assert watch.trouble.get("dense/Z", "") == told


def test_only_a_search_that_counts_magnitudes_can_be_dense():
    """What an encoder predicts is never zero, and no weight makes it so; a search without the price is free to be full."""
    for old, new in (("argmin, of: Z,", "argmin, of: Z, without: [sparsity],"), ("type: l1", "type: log_cosh")):
        spec = SPEC.replace(old, new).replace(", solver: ista", "").replace("HEALTH", "")
        stretch, watch = stretches(compiler.build(loads(spec)), rows=100)[0], Watch()
        assert "dense" not in look(PLANTED["dense"], stretch, watch)["health"]


def test_a_smaller_batch_counts_for_less():
    stretch = stretch_of()
    measure = next(each for each in stretch.measures if each.type == "dense")
    seen = []
    for rows, active in ((6, 0.0), (2, 1.0)):
        codes = torch.full((rows, *FULL.shape[2:]), active)
        found = Found({"Z": codes}, torch.zeros(rows), torch.ones(rows), torch.zeros(rows))
        batch = Batch(stretch.view, {"Y": torch.zeros(rows, *INPUTS[0].shape[1:])}, ("best",), found={"best": found})
        seen.append(measure.see(Step(batch, "model", torch.tensor(0.0)))["Z"])
    assert float(measure.values({"Z": sum(seen)}, stretch)["Z"]) == pytest.approx(0.25)
