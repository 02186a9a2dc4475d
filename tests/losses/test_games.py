"""Games: what each side minimises, what it moves, and that neither touches what is the other's."""

from __future__ import annotations

import hashlib
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.errors import Issue, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.run.folder import RunFolder
from factorgraph.spec.load import load, loads
from factorgraph.training.covering import too_wide
from factorgraph.training.loop import Trainer
from factorgraph.training.objective import Outcome, evaluate
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import stretches

GAME = """
factorgraph: 1
seed: 3
variables:
  Y:    {kind: observed, shape: [3]}
  N:    {kind: noise, shape: [4]}
  fake: {is: generator(N), stands_for: Y}
functions:
  generator: {type: network, layers: 9fc-bn-fc}
  features:  {type: linear, units: 7, activation: tanh, unit_norm: rows}
  critic:    {type: network, layers: 8fc-0.3drop-fc}
factors:
  realism: {type: value, of: critic(features(Y)), weight: 0.7}
learning:
  game:
    steps: 5
    batch_size: 16
    learning_rate: 0.01
    players:
      critic:    {steps: 2, loss: {type: adversarial, fake: fake}}
      generator: {optimizer: {type: sgd, momentum: 0.9}, loss: {type: fool, fake: fake}}
data: {source: arrays, file: rows.npy, bind: {Y: array}, test: 20}
"""
HINGE = {
    "learning.game.players.critic.loss": {"type": "adversarial", "fake": "fake", "form": "hinge", "margin": 0.04},
    "learning.game.players.generator.loss": {
        "fool": {"type": "fool", "fake": "fake", "form": "hinge"},
        "spread": {"type": "pulling_away", "of": "features(fake)", "weight": 0.3},
    },
    "learning.game.players.generator.train": "generator",
}
TWO_SCALES = """
factorgraph: 1
indices: {k: 2}
variables:
  Y:    {kind: observed, shape: [3], per: k}
  N:    {kind: noise, shape: [3], per: k}
  fake: {is: generator(N), stands_for: Y}
functions:
  generator: linear
  critic:    {type: linear, per: k}
factors:
  realism: {type: value, of: critic(Y)}
  size:    {type: squared_distance, between: ["Y[0]", 0], weight: 0.1}
learning:
  game:
    players:
      critic:    {loss: {type: adversarial, fake: fake}}
      generator: {loss: {type: fool, fake: fake}}
"""


def rested(text: str, changes: dict[str, object] | None = None) -> Model:
    """A model in double precision that nothing random happens in."""
    return compiler.build(loads(text).with_changes(changes or {}, "a test")).double()


def losses(model: Model, values: dict[str, Tensor]) -> dict[str, tuple[Outcome, dict[str, Tensor]]]:
    """What each player's step comes to, and what it trains."""
    (stretch,) = stretches(model, rows=100)
    given = model.assign(values)
    return {side.plan.player: (evaluate(stretch, side, given), side.names) for side in stretch.sides()}


def values_of(model: Model, source: torch.Generator, rows: int = 6) -> dict[str, Tensor]:
    names = {each.name: (each.slots, each.shape) for each in model.graph.variables.values() if each.kind != "derived"}
    shapes = {name: ((2, *shape) if slots else shape) for name, (slots, shape) in names.items()}
    return {name: torch.randn(rows, *shape, generator=source, dtype=torch.float64) for name, shape in shapes.items()}


def test_the_logistic_game_is_a_cross_entropy_with_minus_the_energy_as_logit() -> None:
    model = rested(GAME)
    values = values_of(model, torch.Generator().manual_seed(1))
    made = model.evaluate(("generator(N)",), N=values["N"])["generator(N)"]
    real, fake = -model.energy(Y=values["Y"]), -model.energy(Y=made)
    found = losses(model, values)
    critic = cross_entropy(real, torch.ones_like(real)) + cross_entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(found["critic"][0].loss, critic)
    torch.testing.assert_close(found["generator"][0].loss, cross_entropy(fake, torch.ones_like(fake)))


def test_the_hinge_game_and_codes_that_are_pulled_apart() -> None:
    model = rested(GAME, HINGE)
    values = values_of(model, torch.Generator().manual_seed(2))
    (code,) = model.graph.entries["learning", "game", "players", "generator", "loss", "spread", "of"]
    made, codes = model.evaluate(("generator(N)", code), N=values["N"]).values()
    real, fake = model.energy(Y=values["Y"]), model.energy(Y=made)
    found = losses(model, values)
    assert 0 < int((fake < 0.04).sum()) < len(fake)  # the margin is felt by some
    torch.testing.assert_close(found["critic"][0].loss, real.mean() + torch.stack([max(0.04 - e, 0 * e) for e in fake]).mean())
    pairs = [float(torch.cosine_similarity(a.detach(), b.detach(), dim=0)) ** 2 for a, b in permutations(codes, 2)]
    torch.testing.assert_close(found["generator"][0].loss, fake.mean() + 0.3 * float(np.mean(pairs)))


def test_each_slot_of_a_stand_in_is_judged_by_itself() -> None:
    model = rested(TWO_SCALES)
    values = values_of(model, torch.Generator().manual_seed(3))
    made = {k: model.evaluate((f"generator(N[{k}])",), **values)[f"generator(N[{k}])"] for k in range(2)}
    total = torch.zeros((), dtype=torch.float64)
    for k in range(2):
        for sign, y in ((1, {0: values["Y"][:, 0], 1: values["Y"][:, 1]}), (-1, made)):
            size = 0.1 * y[0].square().sum(1)  # it has no slot: it counts at each
            known = model.evaluate((f"critic[{k}](Y[{k}])",), Y=torch.stack([y[0], y[1]], 1))[f"critic[{k}](Y[{k}])"]
            total = total + torch.nn.functional.softplus(sign * (known.flatten() + size)).mean()
    found = losses(model, values)
    torch.testing.assert_close(found["critic"][0].loss, total)


def test_a_player_that_says_nothing_trains_what_is_its_own() -> None:
    model = rested(GAME)
    found = losses(model, values_of(model, torch.Generator().manual_seed(4)))
    assert {each.split(".")[1] for each in found["critic"][1]} == {"critic", "features"}
    assert {each.split(".")[1] for each in found["generator"][1]} == {"generator"}
    critic, generator = (found[player][0].loss for player in ("critic", "generator"))
    others = list(found["generator"][1].values())
    assert all(each is None for each in torch.autograd.grad(critic, others, allow_unused=True))  # the fake is held fixed
    assert all(each is not None for each in torch.autograd.grad(generator, others))


ONE_SIDE = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: [2]}
  N:    {kind: noise, shape: [4]}
  fake: {is: generator(N), stands_for: Y}
functions:
  generator: {type: linear, units: 2}
  critic:    {type: network, layers: 6fc-fc, activation: softplus}
factors:
  realism: {type: value, of: critic(Y)}
learning:
  game: {loss: {f: {type: fool, fake: fake}, OTHER}}
"""


def test_on_one_side_fooling_moves_what_makes_the_fake_and_the_critic_feels_its_own_loss_alone() -> None:
    critic = "a: {type: adversarial, fake: fake}"
    both = rested(ONE_SIDE.replace("OTHER", critic))
    alone = rested(ONE_SIDE.replace("f: {type: fool, fake: fake}, OTHER", critic))
    values = values_of(both, torch.Generator().manual_seed(7))
    alone.load_state_dict(both.state_dict())
    ((outcome, names),), ((expected, others),) = losses(both, values).values(), losses(alone, values).values()
    found = dict(zip(names, torch.autograd.grad(outcome.loss, list(names.values())), strict=True))
    own = dict(zip(others, torch.autograd.grad(expected.loss, list(others.values())), strict=True))
    assert own and all("critic" in each for each in own) and set(found) - set(own) == set(GENERATOR)
    for name, slope in own.items():
        torch.testing.assert_close(found[name], slope)
    energy = both.energy(Y=both.evaluate(("generator(N)",), N=values["N"])["generator(N)"])
    wanted = torch.autograd.grad(torch.nn.functional.softplus(energy).mean(), [names[each] for each in GENERATOR])
    torch.testing.assert_close([found[each] for each in GENERATOR], list(wanted))


GENERATOR = ("functions.generator.matrix", "functions.generator.bias")


def test_players_that_train_one_parameter_are_told_with_both_places() -> None:
    both = {"learning.game.players.generator.loss": HINGE["learning.game.players.generator.loss"]}
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(GAME.replace("{type: fool, fake: fake}", "{type: pulling_away, of: features(fake)}")))
    (found,) = caught.value.issues
    assert found.code == "FG460" and found.place is not None and "functions.features.matrix" in found.message
    assert found.place.line == 21 and ":20" in found.notes[0]
    with pytest.raises(SpecError, match="FG460"):
        compiler.build(loads(GAME).with_changes(both, "a test"))  # an encoder of what is made, and no word of what is trained


STANDS = "fake: {is: generator(N), stands_for: Y}"


@pytest.mark.parametrize(
    ("old", "new", "line", "fix"),
    [
        (STANDS, "fake: {is: generator(N), shape: [3]}", 20, "variables.fake.stands_for: Y"),
        ("adversarial, fake: fake", "adversarial, fake: N", 20, "fake in the place of N"),
        ("adversarial, fake: fake", "adversarial, fake: Y", 20, "fake in the place of Y"),
        (STANDS, "X: {kind: observed, shape: [3]}\n  fake: {is: generator(N), stands_for: X}", 21, "stands_for: Y"),
    ],
)
def test_what_stands_for_no_data_of_the_energy_is_refused_with_its_fix(old: str, new: str, line: int, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(GAME.replace(old, new)))
    first = caught.value.issues[0]
    assert first.code == "FG475" and first.place is not None and fix in first.fix
    assert first.place.line == line and "fake" in first.place.text


def test_a_player_that_names_the_others_parameters_alone_is_told_and_beside_its_own_it_leaves_them() -> None:
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(GAME).with_changes({"learning.game.players.generator.train": "critic"}, "a test"))
    (found,) = caught.value.issues
    assert found.code == "FG405" and '"generator"' in found.message and "never moves critic" in found.message
    told = GAME.replace("generator: {optimizer", "generator: {train: critic, optimizer")
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(told))
    assert caught.value.issues[0].place is not None and caught.value.issues[0].place.line == 21
    both = rested(GAME, {"learning.game.players.critic.train": ["critic", "features", "generator"]})
    (stretch,) = stretches(both, rows=100)
    assert {name.split(".")[1] for side in stretch.sides() if side.plan.player == "critic" for name in side.names} == {
        "critic",
        "features",
    }


# --- a run ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((120, 3)).astype(np.float32))
    (tmp_path / "spec.yaml").write_text(GAME)
    return tmp_path


def fingerprint(path: Path) -> tuple[str, str]:
    tensors = RunFolder.open(path).load_latest().tensors["model"]
    digest = hashlib.sha256(b"".join(name.encode() + each.numpy().tobytes() for name, each in sorted(tensors.items())))
    return digest.hexdigest(), hashlib.sha256((path / "metrics.jsonl").read_bytes()).hexdigest()


def test_a_game_that_was_stopped_after_any_step_goes_on_bit_for_bit(home: Path) -> None:
    whole = fingerprint(train(home / "spec.yaml", home / "whole").path)
    for step in range(1, 5):
        with pytest.raises(StoppedError):
            train(home / "spec.yaml", home / f"run{step}", stop_after=step)
        assert fingerprint(resume(home / f"run{step}").path) == whole


def test_while_one_player_moves_the_other_stays_as_it_is_to_the_bit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, moves = Trainer._round, []

    def watched(self: Trainer, stretch, side, *arguments):  # type: ignore[no-untyped-def]
        before = {name: each.detach().clone() for name, each in self.model.named_parameters()}
        numbers = honest(self, stretch, side, *arguments)
        moved = {name.split(".")[1] for name, each in self.model.named_parameters() if not torch.equal(each, before[name])}
        moves.append((side.plan.player, moved))
        return numbers

    monkeypatch.setattr(Trainer, "_round", watched)
    train(home / "spec.yaml", home / "run")
    assert moves == ([("critic", {"critic", "features"})] * 2 + [("generator", {"generator"})]) * 5


def test_a_row_holds_what_its_step_measured_and_no_zeros_beside_it(home: Path) -> None:
    path = train(home / "spec.yaml", home / "run").path
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    seen = {(row["player"], row["split"]): {"energy", "shares"} & {*row} for row in rows}
    both = {"energy", "shares"}
    assert seen == {("critic", "train"): both, ("generator", "train"): set(), (None, "test"): both}


def test_a_critic_of_two_normal_laws_is_the_logarithm_of_their_ratio() -> None:
    text = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: [1]}
  N:    {kind: noise, shape: [1]}
  fake: {is: N + 1, stands_for: Y}
functions: {critic: linear}
factors: {realism: {type: value, of: critic(Y)}}
learning: {game: {players: {critic: {loss: {type: adversarial, fake: fake}}}}}
"""
    model, source = rested(text), torch.Generator().manual_seed(0)
    (stretch,) = stretches(model, rows=20_000)
    (side,) = stretch.sides()
    given = model.assign({name: torch.randn(20_000, 1, generator=source, dtype=torch.float64) for name in ("Y", "N")})
    optimizer = torch.optim.LBFGS(list(side.names.values()), line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = evaluate(stretch, side, given).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    slope, start = (-float(side.names[f"functions.critic.{name}"].detach()) for name in ("matrix", "bias"))
    assert abs(slope + 1) < 0.05 and abs(start - 0.5) < 0.05


MIXTURE = """
factorgraph: 1
indices: {k: 2}
variables:
  Y:    {kind: observed, shape: [3], per: k}
  Z:    {kind: latent, shape: [4], domain: one_hot, per: k}
  N:    {kind: noise, shape: [3], per: k}
  fake: {is: generator(N), stands_for: Y}
functions:
  generator:  linear
  prototypes: {type: linear, bias: false}
factors:
  d: {type: squared_distance, between: [Y, prototypes(Z)]}
inference:
  choice: {method: marginal, of: Z, per: k}
learning:
  game:
    players:
      critic:    {train: prototypes, loss: {type: adversarial, fake: fake}}
      generator: {train: generator, loss: {type: fool, fake: fake}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""


@pytest.mark.parametrize("slots", [1, 2])
def test_where_codes_are_summed_out_each_slot_is_judged_by_its_free_energy(slots: int) -> None:
    text = MIXTURE if slots == 2 else MIXTURE.replace("indices: {k: 2}\n", "").replace(", per: k", "")
    model = rested(text)
    values = values_of(model, torch.Generator().manual_seed(5))
    values.pop("Z", None)
    found = losses(model, values)
    tensors = model.tensors()
    centres, maps = tensors["functions.prototypes"]["matrix"], tensors["functions.generator"]

    def free(y: Tensor) -> Tensor:
        """minus log sum exp over the prototypes"""
        return -torch.logsumexp(-(y[:, :, None] - centres).square().sum(1), 1)

    soft = torch.nn.functional.softplus
    critic = generator = torch.zeros((), dtype=torch.float64)
    for k in range(slots):
        y, noise = (values[name][:, k] if slots == 2 else values[name] for name in ("Y", "N"))
        made = noise @ maps["matrix"].T + maps["bias"]
        critic = critic + (soft(free(y)) + soft(-free(made.detach()))).mean()
        generator = generator + soft(free(made)).mean()
    for player, hand in (("critic", critic), ("generator", generator)):
        outcome, names = found[player]
        torch.testing.assert_close(outcome.loss, hand)
        ways = [torch.autograd.grad(each, list(names.values()), retain_graph=True) for each in (outcome.loss, hand)]
        torch.testing.assert_close(*ways)
        assert all(float(each.abs().max()) > 1e-3 for each in ways[0])


def test_a_sum_over_several_slots_of_a_stand_in_is_told() -> None:
    shared = MIXTURE.replace("one_hot, per: k", "one_hot").replace("of: Z, per: k", "of: Z")
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(shared))
    assert {each.code for each in caught.value.issues} == {"FG464"} and len(caught.value.issues) == 2
    assert caught.value.issues[0].place.line == 19  # type: ignore[union-attr]


CRITIC = "learning.game.players.critic.loss.margin"


def test_a_margin_above_what_ignorance_of_the_data_costs_is_told_with_one_that_is_below() -> None:
    rows = {"Y": np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32) * 3 + 5}
    spread = float(rows["Y"].var(0).sum())

    def told(margin: float, weight: float = 1.0, form: str = "hinge") -> list[Issue]:
        changes = {CRITIC: margin, CRITIC.replace("margin", "form"): form, "factors.reconstruction.weight": weight}
        spec = load("energy_based_gan").with_changes(changes, "a test")
        graph = resolve(spec)
        return list(too_wide(graph, compiler.plan(spec, graph), rows))

    assert not told(0.99 * spread) and not told(2 * spread, form="logistic")
    (found,) = told(1.01 * spread)
    assert found.code == "FGW269" and found.path[-1] == "margin" and f"{spread:.3g}" in found.message
    assert found.fix == f"{CRITIC}: {spread / 5:.1g}"
    assert not told(1.01 * spread, weight=1.1) and told(0.4 * spread, weight=0.37)
    assert not list(too_wide(resolve(loads(GAME)), compiler.plan(loads(GAME)), {"Y": rows["Y"]}))  # no square of the data
