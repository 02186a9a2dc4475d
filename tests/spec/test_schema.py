"""The schema: short forms, constants at slots, phases and players, and mistakes told once, in order, at their own line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from factorgraph.errors import Issue, SpecError, render
from factorgraph.graph.resolve import resolve
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.declared import Declared
from factorgraph.spec.load import load, loads, specs
from factorgraph.spec.schema import Spec
from factorgraph.spec.suggest import ELSEWHERE, near

SHIPPED = sorted(each.path for each in specs() if each.name)
HEAD = "factorgraph: 1\n"
GRAPH = """variables:
  Y: {kind: observed, shape: [4, 3]}
  Z: {kind: latent, shape: [5]}
functions: {decoder: linear, encoder: {type: linear, activation: shrink}}
factors:
  near: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  few: {type: l1, of: Z}
inference: {best: {method: argmin, of: Z}, fast: {method: amortized, of: Z, by: encoder(Y)}}
"""


def issues(text: str) -> tuple[Issue, ...]:
    with pytest.raises(SpecError) as caught:
        loads(text)
    return caught.value.issues


def told(text: str) -> list[tuple[str, int]]:
    return [(it.code, it.place.line) for it in issues(text) if it.place]


# --- short forms


def test_an_entry_that_needs_only_its_main_key_may_be_that_value() -> None:
    short = loads(HEAD + GRAPH + "  \nlearning: {fit: energy}\n")
    long = loads(
        HEAD
        + GRAPH.replace("decoder: linear,", "decoder: {type: linear},").replace("argmin, of: Z", "argmin, of: [Z]")
        + "learning: {fit: {loss: {type: energy}}}\n"
    )
    assert short == long


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("solver: fista", "solver: {type: fista}"),
        ("of: Z", "of: [Z]"),
        ("start: 0", 'start: "0"'),
    ],
)
def test_short_forms_of_a_procedure(short: str, long: str) -> None:
    text = HEAD + GRAPH.replace("of: Z}, fast", "of: Z, X}, fast")
    base = short if short == "of: Z" else f"of: Z, {short}"
    more = long if short == "of: Z" else f"of: Z, {long}"
    assert loads(text.replace("of: Z, X", base)) == loads(text.replace("of: Z, X", more))


def phase(words: str) -> Spec:
    return loads(HEAD + GRAPH + f"learning: {{fit: {words}}}\n")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("energy", "{loss: energy}"),
        ("{loss: energy}", "{loss: {energy: energy}}"),
        ("{schedule: linear}", "{schedule: {type: linear, from: 0}}"),
        ("{train: encoder}", "{train: [encoder]}"),
        ("{optimizer: adam}", "{optimizer: {type: adam, betas: [0.9, 0.999]}}"),
        ("{without: few}", "{without: [few]}"),
        ("{}", "{epochs: 10}"),
        ("{loss: {type: imitation, teacher: best, student: fast}}", "{loss: {type: imitation, teacher: best, student: [fast]}}"),
    ],
)
def test_short_forms_of_a_phase(short: str, long: str) -> None:
    assert phase(short) == phase(long)


def test_named_losses_add_up_by_weight() -> None:
    low, taught = "{type: energy, weight: 0.37, only: near}", "{type: imitation, teacher: best, student: fast}"
    terms = phase(f"{{loss: {{low: {low}, taught: {taught}}}}}").learning["fit"].first.loss
    assert [(name, term.loss.type, term.weight, term.only) for name, term in terms.items()] == [
        ("low", "energy", 0.37, ("near",)),
        ("taught", "imitation", 1.0, None),
    ]


def test_steps_of_preparation_in_every_form() -> None:
    data = "data: {source: natural_patches, bind: {Y: image}, prepare: %s}\n"
    long = "[{type: remove_mean}, {type: whiten, floor: 0.37}]"
    forms = ("[remove_mean, {whiten: 0.37}]", long, "[remove_mean, {whiten: {floor: 0.37}}]")
    first, *rest = [loads(HEAD + GRAPH + data % form) for form in forms]
    assert rest == [first, first]


def test_a_number_may_be_a_derived_variable() -> None:
    assert loads(HEAD + GRAPH.replace("variables:\n", "variables:\n  one: 1\n")).variables["one"].first.is_ is not None


def test_blocks_may_come_in_any_order() -> None:
    blocks = re.split(r"(?m)^(?=\w)", GRAPH)
    assert loads("".join(reversed(blocks)) + HEAD) == loads(HEAD + GRAPH)


# --- constants and slots


def per_k(steps: str) -> str:
    return GRAPH.replace("argmin, of: Z}", f'argmin, of: Z, per: k, steps: "{steps}"}}')


def test_constants_are_evaluated_at_the_slots_of_per() -> None:
    text = HEAD + "dims: {T: [2, 3, 7], base: 1}\nindices: {k: 3}\n" + per_k("T[k] + base")
    best = loads(text).inference["best"]
    assert [best.at({"k": k}).steps for k in range(3)] == [3, 4, 8]  # type: ignore[attr-defined]
    assert best.first == best.at({"k": 0})
    assert best.per == "k"


def test_every_slot_is_checked_when_the_spec_is_loaded() -> None:
    text = HEAD + "dims: {T: [2, 3, -7]}\nindices: {k: 3}\n" + per_k("T[k]")
    (it,) = issues(text)
    assert it.code == "FG314"
    assert it.notes == ("at k = 2",)


def test_a_list_in_dims_must_be_long_enough_for_its_index() -> None:
    text = HEAD + "dims: {T: [2, 3]}\nindices: {k: 3}\n" + per_k("T[k]")
    assert [it.code for it in issues(text)] == ["FG315"]


def test_a_weight_may_ask_for_sizes_and_slots() -> None:
    text = HEAD + "dims: {w: [0.1, 0.37]}\nindices: {k: 2}\n" + GRAPH.replace("weight: 0.37", 'weight: "w[k] / size(Y)"')
    near = loads(text).factors["near"]
    assert near.weight({"k": 1}, {"Y": 12}.__getitem__) == pytest.approx(0.37 / 12)
    assert [it.code for it in issues(text.replace("size(Y)", "size(X)"))] == ["FG311"]


def test_shapes_are_constants() -> None:
    spec = loads(HEAD + "dims: {a: 4, b: a - 1}\n" + GRAPH.replace("[4, 3]", "[a, b]"))
    assert spec.variables["Y"].first.shape == (4, 3)
    assert spec.dims == {"a": 4, "b": 3}


# --- phases and players


GAME = """{steps: 9, optimizer: {type: sgd, momentum: 0.5}, learning_rate: 0.37, players: {
  one: {train: [decoder], loss: {type: energy, only: [near]}, learning_rate: 0.2},
  two: {train: [encoder], optimizer: adam, steps: 3}}}"""


def test_sides_of_a_game_take_from_the_phase_what_they_leave_out() -> None:
    sides = phase(GAME).learning["fit"].first.sides()
    assert list(sides) == ["one", "two"]
    assert [(each.learning_rate, each.steps) for each in sides.values()] == [(0.2, 1), (0.37, 3)]
    assert [each.optimizer.type for each in sides.values() if each.optimizer] == ["sgd", "adam"]
    assert sides["one"].loss["energy"].only == ("near",)


def test_a_phase_without_players_has_one_side() -> None:
    (name, side), *none = phase("{train: decoder, learning_rate: 0.37}").learning["fit"].first.sides().items()
    assert (name, side.train, side.learning_rate, none) == ("model", ("decoder",), 0.37, [])


def test_players_that_train_the_same_are_warned_of() -> None:
    spec = phase(GAME.replace("[encoder]", "[encoder, decoder]"))
    assert [(it.code, it.path) for it in spec.warnings] == [("FGW201", ("learning", "fit", "players", "two", "train", 1))]
    assert spec.learning["fit"].first.players


def test_a_phase_with_players_has_no_loss_of_its_own() -> None:
    text = HEAD + GRAPH + "learning:\n  fit:\n    loss: energy\n    players: {one: {train: decoder}}\n"
    assert told(text) == [("FG210", 12)]


# --- mistakes


def test_a_variable_may_be_given_in_training_only() -> None:
    text = HEAD + GRAPH.replace("variables:\n", "variables:\n  label: {kind: observed, shape: [2], given: training}\n")
    assert loads(text).variables["label"].first.given == "training"
    (it,) = issues(text.replace("given: training", "given: later"))
    assert (it.code, it.path, it.allowed) == ("FG206", ("variables", "label", "given"), "always, training")
    (it,) = issues(text.replace("kind: observed, shape: [2]", "kind: latent, shape: [2]"))
    assert it.code == "FG210" and "a latent variable never is" in it.message


@pytest.mark.parametrize(
    ("line", "code", "marked"),
    [
        ("learning: {fit: {loss: {typ: imitation, teacher: best, student: fast}}}", "FG201", "typ"),
        ("learning: {fit: {loss: {low: {type: enrgy}}}}", "FG204", "enrgy"),
        ("learning: {fit: {loss: {low: {type: energy, wieght: 2}}}}", "FG201", "wieght"),
        ("learning: {fit: {loss: {type: imitation, teacher: bset, student: fast}}}", "FG209", "bset"),
        ("learning: {fit: {train: [decodr]}}", "FG209", "decodr"),
        ("learning: {fit: {inference: slow}}", "FG209", "slow"),
        ("learning: {fit: {optimizer: {type: adam, bets: [0.5, 0.9]}}}", "FG201", "bets"),
        ("learning: {fit: {optimizer: {type: adam, betas: [0.5, 1.5]}}}", "FG314", "1.5"),
        ("learning: {fit: {optimizer: {type: adam, betas: [0.5, 1.0]}}}", "FG206", "1.0"),
        ("learning: {fit: {optimizer: {type: adam, betas: [0.5]}}}", "FG203", "[0.5]"),
        ("learning: {fit: {optimizer: {type: sgd, nesterov: true}}}", "FG210", "{type: sgd, nesterov: true}"),
        ("learning: {fit: {batch_size: al}}", "FG206", "al"),
        ("learning: {fit: {players: {one: {tran: [decoder]}}}}", "FG201", "tran"),
        ("learning: {fit: {players: {one: {train: [decodr]}}}}", "FG209", "decodr"),
        ("learning: {fit: {optimizer: line_search}}", "FG205", "line_search"),
        ("learning: {fit: {on_dead: resampel}}", "FG206", "resampel"),
        ("learning: {fit: {health: {dead: 2}}}", "FG314", "2"),
        ("learning: {fit: {health: {code_scale: 2, dead: 1.5}}}", "FG314", "1.5"),
        ("learning: {fit: {labelled: 100}}", "FG556", "100"),
        ("learning: {fit: {labelled: 0}}", "FG556", "0"),
        ("learning: {fit: {labelled: 3, batch_size: all}}", "FG556", "3"),
        ("learning: {fit: 3}", "FG203", "3"),
        ("learning: 3", "FG203", "3"),
        ("data: {sorce: natural_patches, bind: {Y: image}}", "FG201", "sorce"),
        ("data: {source: natural_patches, bind: {Y: imag}}", "FG209", "imag"),
        ("data: {source: natural_patches, bind: {Y: image}, prepare: [{whiten: {kept: 0}}]}", "FG314", "0"),
        ("data: {source: natural_patches, bind: {Y: image}, prepare: [{whitn: 0.1}]}", "FG204", "whitn"),
        ("data: {source: natural_patches, bind: {Y: image}, prepare: [{whiten: {keep: 3}}]}", "FG201", "keep"),
        ("data: {source: natural_patches, bind: {Y: image}, augment: [miror]}", "FG204", "miror"),
        ("data: {few: {source: curve, bind: {Y: point}}, many: {source: natural_patches, bind: {Y: imag}}}", "FG209", "imag"),
        ("data: {source: natural_patches}", "FG202", "data"),
        ("data: {source: natural_patches, size: 0, bind: {Y: image}}", "FG314", "0"),
        ("expect: {a: {claim: low, metric: energy(best), at_most: 1, budget: tiny}}", "FG209", "tiny"),
        ("expect: {a: {claim: low, metric: later.energy(best), at_most: 1}}", "FG209", "later"),
        ("expect: {a: {claim: low, metric: energy(bset), at_most: 1}}", "FG209", "bset"),
        ("expect: {a: {claim: low, metric: nll_annealed(best), at_most: 1}}", "FG205", "nll_annealed"),
        ("expect: {a: {claim: low, metric: value(nere), report: true, without: [few]}}", "FG209", "nere"),
        ("figures: {a: {type: orientation_map, of: Y}}", "FG205", "orientation_map"),
        ("figures: {a: {type: sampels, of: Y}}", "FG204", "sampels"),
        ("seed: -1", "FG203", "-1"),
        ("source: {paper: 3}", "FG203", "3"),
        ("source: {author: me}", "FG201", "author"),
        ("dims: {a: [1, b]}", "FG311", "b"),
        ("dims: {lambda: 1}", "FG207", "lambda"),
        ("indices: {t: 0}", "FG314", "0"),
        ("budgets: {full: {dims.code: 3}}", "FG211", "dims.code"),
        ("learning: {fit: {loss: {}}}", "FG210", "{}"),
    ],
)
def test_a_mistake_is_marked_exactly(line: str, code: str, marked: str) -> None:
    found = issues(HEAD + GRAPH + line + "\n")
    assert [it.code for it in found] == [code], render(found)
    place = found[0].place
    assert place is not None
    assert place.text[place.column - 1 : place.end_column - 1] == marked


@pytest.mark.parametrize(
    ("old", "new", "code", "marked"),
    [
        ("latent, shape: [5]", "latent, shape: [5], is: Y", "FG210", "Z"),
        ("argmin, of: Z", "argmin, of: []", "FG210", "[]"),
        ("decoder(Z)]", "'decoder(Z, Q)']", "FG209", "Q"),
        ("decoder(Z)]", "decoder]", "FG209", "decoder"),
        ("decoder(Z)]", "decoder.transpos(Z)]", "FG209", "transpos"),
        ("decoder(Z)]", "'decoder(Z[t])']", "FG209", "t"),
        ("decoder(Z)]", "shrink(Z)]", "FG209", "shrink"),
        ("decoder(Z)]", "lstm(Z)]", "FG209", "lstm"),
        ("decoder(Z)]", "decoder(Z), Y]", "FG203", "[Y, decoder(Z), Y]"),
        ("[Y, decoder(Z)]", "[Y]", "FG203", "[Y]"),
        ("of: Z}\ninf", "of: [Z, Y]}\ninf", "FG317", "[Z, Y]"),
        ("by: encoder(Y)", "by: {Q: encoder(Y)}", "FG209", "Q"),
        ("by: encoder(Y)", "by: {Z: encodr(Y)}", "FG209", "encodr"),
        ("by: encoder(Y)", "by: {}", "FG202", "by"),
        ("by: encoder(Y)", "by: [encoder(Y)]", "FG317", "[encoder(Y)]"),
        ("decoder: linear", "decoder: [linear]", "FG203", "[linear]"),
        ("decoder: linear", "decoder: {type: linear, keep: 0.2}", "FG205", "keep"),
        ("decoder: linear", "decoder: {type: linear, activation: tahn}", "FG204", "tahn"),
        ("decoder: linear", "decoder: {type: linear, activation: ladder_combinator}", "FG205", "ladder_combinator"),
        ("decoder: linear", "decoder: {type: 3}", "FG203", "3"),
        ("decoder: linear", "decoder: {unit_norm: rows}", "FG202", "decoder"),
        ("method: argmin, of: Z", "method: argmin, of: Z, gradient: implied", "FG206", "implied"),
        ("method: argmin, of: Z", "method: argmin, of: Z, only: [nere]", "FG209", "nere"),
        ("method: argmin, of: Z", "method: argmin, of: Z, without: ['near[t]']", "FG209", "t"),
        ("method: argmin, of: Z", "method: argmin", "FG202", "best"),
        ("weight: 0.37", "weight: heavy", "FG311", "heavy"),
        ("weight: 0.37", "weight: true", "FG317", "true"),
        ("of: Z}, fast", "of: Z, steps: 3 * size(Y)}, fast", "FG318", "size(Y)"),
        ("kind: latent", "kind: latent, stands_for: W", "FG209", "W"),
    ],
)
def test_a_mistake_in_the_graph_is_marked_exactly(old: str, new: str, code: str, marked: str) -> None:
    assert old in GRAPH
    found = issues(HEAD + GRAPH.replace(old, new, 1))
    assert [it.code for it in found] == [code], render(found)
    place = found[0].place
    assert place is not None
    assert place.text[place.column - 1 : place.end_column - 1] == marked


@pytest.mark.parametrize(
    ("by", "code", "fix"),
    [
        ("{Z: encoder(Y)}", "FG202", "write by: {Z: encoder(Y), W: ...}"),
        ("{}", "FG202", "write by: {Z: ..., W: ...}"),
        ("{Z: encoder(Y), V: 0}", "FG209", "declare it, or name one that is there"),  # W is there, misspelt
        ("[encoder(Y), 0]", "FG317", "write {Z: encoder(Y), W: 0}"),
        ("[encoder(Y)]", "FG317", "write {Z: ..., W: ...}"),
        ("encoder(Y)", "FG256", "write a map: by: {Z: ..., W: ...}"),
    ],
)
def test_what_gives_several_variables_has_an_expression_for_each(by: str, code: str, fix: str) -> None:
    text = HEAD + GRAPH.replace("latent, shape: [5]}", "latent, shape: [5]}\n  W: {kind: latent, shape: [5]}")
    text = text.replace("amortized, of: Z", "amortized, of: [Z, W]")
    resolve(loads(text.replace("by: encoder(Y)", "by: {Z: encoder(Y), W: 0}")))
    with pytest.raises(SpecError) as caught:
        resolve(loads(text.replace("by: encoder(Y)", f"by: {by}")))
    (it,) = caught.value.issues
    assert (it.code, it.fix, it.path[:3]) == (code, fix, ("inference", "fast", "by"))


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ("type: l1", "type: lasso", "write l1"),
        ("type: squared_distance", "type: MSE", "write squared_distance"),
        *(
            ("type: l1", f"type: {each}", "write type: squared_distance, between: [Z, 0]: the square of how far it is from zero")
            for each in ("squared_norm", "l2", "ridge", "weight_decay")
        ),
        ("type: linear", "type: dense", "write linear"),
        ("method: argmin,", "method: argmin, max_iter: 3,", "write steps"),
        ("weight: 0.37", "weight: small", "write a number, or declare it in dims"),
    ],
)
def test_what_has_another_name_elsewhere_is_told_by_ours(old: str, new: str, fix: str) -> None:
    (it,) = issues(HEAD + "dims: {side: 4}\n" + GRAPH.replace(old, new, 1))
    assert it.fix == fix
    if "between" in fix:
        mended = GRAPH.replace("type: l1, of: Z", fix.removeprefix("write ").partition(": the")[0])
        assert loads(HEAD + mended).factors["few"].leaf.first.type == "squared_distance"


def test_a_phase_has_no_lr() -> None:
    (it,) = issues(HEAD + GRAPH + "learning: {fit: {loss: energy, lr: 0.1}}\n")
    assert (it.code, it.fix, it.replacement) == ("FG201", "write learning_rate", "learning_rate")


def test_a_weight_in_words_may_be_a_number() -> None:
    (it,) = issues(HEAD + "dims: {side: 4}\n" + GRAPH.replace("0.37", "small"))
    assert it.allowed == "a number, or an expression of side"


def test_the_other_names_are_of_what_exists_and_name_nothing_here() -> None:
    words = {each for family in FAMILIES for each in leaves(family)} | {"learning_rate", "steps"}
    assert set(ELSEWHERE.values()) <= words
    for name, ours in ELSEWHERE.items():
        assert near(name, words - {name}) == ours and near(name, {name, ours}) == name
        assert near(name, {"unlike"}) is None


def test_a_start_of_several_variables_is_no_list() -> None:
    (it,) = issues(HEAD + GRAPH.replace("argmin, of: Z", "argmin, of: [Z, Y], start: [0, 1]"))
    assert (it.code, it.fix) == ("FG317", "write {Z: 0, Y: 1}")


def test_an_unknown_type_does_not_also_report_its_fields() -> None:
    assert told(HEAD + GRAPH.replace("type: l1, of: Z", "type: lasso, over: Z, strength: 3")) == [("FG204", 8)]


def test_a_mistake_in_a_dim_is_told_once() -> None:
    assert told(HEAD + "dims: {a: b, c: a}\n" + GRAPH.replace("[5]", "[a, c]")) == [("FG311", 2)]


# --- laws over the shipped specs

KEY = re.compile(r"(?<![\w\"])([A-Za-z_]\w*)(?=:\s)")
NAMED = re.compile(r"^  (\w+):|^dims: \{.*|^indices: .*|bind: \{(\w+)|^    ([\w.]+):")


def chosen_in(file: Path) -> set[str]:
    """Names of players, and of losses that add up."""
    found: set[str] = set()
    for phase in load(file).learning.values():
        players = phase.first.players
        found |= {*players, *phase.first.loss, *(name for each in players.values() for name in each.loss)}
    return found - {"loss"}


def mutations(file: Path, change: re.Pattern[str], skip: bool) -> list[tuple[str, int, str]]:
    """Files with one word wrong: (text, line, word)."""
    found = []
    lines, chosen = file.read_text().splitlines(), chosen_in(file)
    for number, line in enumerate(lines):
        code = line.split("#")[0]
        own = NAMED.match(code)
        for match in change.finditer(code):
            word = match[1]
            listed = code.startswith(("dims", "indices")) and word not in ("dims", "indices")
            named = (own and own[1] == word) or word in chosen or listed
            if skip and (named or code[: match.start(1)].count('"') % 2):
                continue  # names are the user's own to choose
            typo = f"{word[:-1]}qx{word[-1]}" if len(word) > 2 else f"{word}qx"
            wrong = line[: match.start(1)] + typo + line[match.end(1) :]
            found.append(("\n".join([*lines[:number], wrong, *lines[number + 1 :]]), number + 1, word))
    return found


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_each_key_with_a_slip_is_an_error_on_its_line(file: Path) -> None:
    tried = mutations(file, KEY, True)
    assert len(tried) > 20
    for text, line, word in tried:
        assert line in [at for _, at in told(text)], f"{word} in line {line}"


KEYS = "type|method|source|loss|optimizer|solver|activation|kind|domain|unit_norm|orthonormal|prepare"
TYPE = re.compile(rf"(?:{KEYS}): \[?([a-z]\w+)")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_each_type_with_a_slip_is_an_error_on_its_line(file: Path) -> None:
    tried = mutations(file, TYPE, False)
    assert len(tried) > (1 if re.search(r"^use:", file.read_text(), re.MULTILINE) else 5)  # a fragment brings the others
    for text, line, word in tried:
        found = issues(text)
        assert [(it.place.line, it.replacement) for it in found if it.place] == [(line, word)], render(found)


def test_what_is_declared_is_frozen() -> None:
    decoder: Declared[object] = load("psd").functions["decoder"]  # type: ignore[assignment]
    with pytest.raises(Exception, match="frozen"):
        decoder.first.bias = True  # type: ignore[attr-defined]
    with pytest.raises(Exception, match=r"frozen|assign"):
        decoder.path = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("health", "code", "said", "replacement"),
    [
        ("{dead: {at_most: 0.01}}", "FG554", "as in health: {dead: 0.01}", "0.01"),
        ("{dead: {at_most: [1]}}", "FG554", "a number by itself", None),
        ("{dead: {}}", "FG554", "a number by itself", None),
        ("{dominance: 0.1}", "FG555", "compares players, and this phase has none", None),
        ("{dead: -1}", "FG314", "outside", None),
    ],
)
def test_a_bound_of_health_is_a_number_and_of_players_only_where_there_are_some(health, code, said, replacement):
    (it,) = issues(HEAD + GRAPH + f"learning:\n  fit: {{loss: energy, health: {health}}}\n")
    assert (it.code, it.replacement, it.place.line) == (code, replacement, 11)
    assert said in it.message


def test_bounds_of_health_are_read():
    spec = loads(HEAD + GRAPH + "learning: {fit: {loss: energy, health: {dead: 0.01, gap: 1 / 4}}}\n")
    assert spec.learning["fit"].first.health == {"dead": 0.01, "gap": 0.25}
    game = "{players: {a: {train: [decoder]}, b: {train: [encoder]}}, health: {dominance: 7}}"
    assert loads(HEAD + GRAPH + f"learning: {{fit: {game}}}\n").learning["fit"].first.health == {"dominance": 7}


def test_a_rate_of_an_optimizer_is_the_phases() -> None:
    (it,) = issues(HEAD + GRAPH + "learning: {fit: {loss: energy, optimizer: {type: adam, lr: 0.1}}}\n")
    assert (it.code, it.fix) == ("FG201", "write learning_rate beside optimizer")
    assert "the phase's own learning_rate" in it.message


@pytest.mark.parametrize(("low", "high"), [(2, 1), (1, 1), (1, None)])
def test_uniform_noise_has_a_width(low: float, high: float | None) -> None:
    ends = f"low: {low}" + (f", high: {high}" if high is not None else "")
    variable = f"N: {{kind: noise, shape: [2], distribution: {{type: uniform, {ends}}}}}"
    noise = GRAPH.replace("variables:\n", f"variables:\n  {variable}\n")
    (found,) = issues(HEAD + noise)
    assert found.code == "FG210" and "larger high" in found.message and found.place is not None and found.place.line == 3
    loads(HEAD + noise.replace("type: uniform", "type: normal"))  # of uniform only
