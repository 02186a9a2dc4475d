"""Files that leave: the same energies, codes and first steps of learning as the compiled model, without factorgraph.

The oracle is the compiled model; what learns is compared in double precision, where both take the same way to the last digits.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from factorgraph import registry
from factorgraph.compile import build
from factorgraph.compile.learning import Learning
from factorgraph.errors import RunError, SpecError
from factorgraph.leaving.file import Ejected, eject, write
from factorgraph.leaving.names import INSIDE, TAKEN
from factorgraph.leaving.recorded import UnwritableError, recording
from factorgraph.leaving.sources import Sources
from factorgraph.spec.load import load, loads
from factorgraph.training import curved
from factorgraph.training.objective import evaluate
from factorgraph.training.sides import Moment, parameters_by_address, stretches
from factorgraph.training.tuning import Tuning, known_before
from tests.compile import specs

ROOT = Path(__file__).parents[2]
SMALL = {  # shipped specs that leave, with what makes them small
    "sparse_coding": ("dims.code=20", "dims.side=5"),
    "psd": ("dims.code=20", "dims.side=5"),
    "psd_mnist": ("dims.code=20",),
    "encoder_decoder": ("dims.code=15", "dims.side=4"),
    "kmeans": ("dims.code=12", "dims.side=5"),
    "lista": ("dims.code=15", "dims.side=4", "inference.optimal.steps=90"),
    "lcod": ("dims.code=15", "dims.side=4", "inference.optimal.steps=90", "inference.descent.steps=90"),
    "structured_encoder": ("dims.side=4", "inference.optimal.steps=90"),
    "denoising_autoencoder": (),
    "drsae": ("dims.code=11", "dims.T=4"),
    "psd_hierarchy": ("use.first.with.maps=2", "use.second.with.maps=3"),
    "toy/autoencoder": (),
    "toy/kmeans": (),
    "toy/pca": (),
    "toy/sparse_autoencoder": (),
}
SMALL_KERNELS = ("dims.side=12", "dims.kernel=3")
EVERY = {
    **SMALL,
    "convolutional_sparse_coding": (*SMALL_KERNELS, "dims.maps=6"),  # large enough to be searched by frequencies
    "convolutional_psd": (*SMALL_KERNELS, "dims.maps=2"),
    "deconvolutional_network": ("dims.side=5", "dims.kernel=3", "dims.maps=[3, 4]", "inference.code.steps=60"),
}
ROWS, STEPS = 24, 3


def module_of(text: str, folder: Path) -> ModuleType:
    path = folder / "left.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("left", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def samples(graph) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    found = {}
    for each in graph.of_kind("observed"):
        hot = torch.eye(*each.shape, each.shape[0])[torch.randint(each.shape[0], (ROWS,))] if each.domain == "one_hot" else None
        found[each.id] = 2 * torch.randn(ROWS, *each.shape) if hot is None else hot
    return found


class Both:
    """A compiled model, the file that was made of its spec, and the same data and parameters for both."""

    def __init__(self, spec, folder: Path):
        self.file = Ejected(spec)
        self.module = module_of(self.file.text(), folder)
        self.graph, self.names = self.file.graph, self.file.written
        self.given = samples(self.graph)
        self.model = build(spec, self.file.model.plan, {key: each.numpy() for key, each in self.given.items()})
        wanted = [*inspect.signature(self.module.Model).parameters]
        self.left = self.module.Model(*(self.given[each] for each in wanted))
        known = parameters_by_address(self.model)
        with torch.no_grad():
            for address, name in self.names.parameters.items():
                getattr(self.left, name).copy_(known[address])
        for name in (each for each in dir(self.left) if each.startswith("begin_")):
            getattr(self.left, name)()

    def local(self, key: str) -> str:
        return self.names.local(self.graph.values[key])


def signs(residual: torch.Tensor) -> torch.Tensor:
    """Some plus, some minus, the same for each row: these come in any order."""
    units = torch.arange(residual[0].numel()).square() % 7 > 3
    return (1 - 2 * units.to(residual)).reshape(residual[:1].shape)


def close(found: torch.Tensor, wanted: torch.Tensor, bound: float) -> bool:
    return bool((found - wanted).abs().max() <= bound * wanted.abs().max())


@pytest.fixture(scope="module", params=EVERY)
def text(request) -> str:
    return eject(load(request.param, EVERY[request.param]))


@pytest.mark.parametrize("name", EVERY)
def test_energies_and_codes_are_those_of_the_compiled_model(name, tmp_path):
    check_codes(load(name, EVERY[name]), tmp_path)


def check_codes(spec, folder: Path) -> None:
    both = Both(spec, folder)
    both.left.eval()
    codes = {each.id: torch.randn(ROWS, *each.shape) for each in both.graph.of_kind("latent")}
    values = {both.local(key): each for key, each in {**both.given, **codes}.items()}
    energy = both.left.energy(*(values[each] for each in inspect.signature(both.left.energy).parameters))
    assert energy.shape == (ROWS,) and close(energy, both.model.energy(**both.given, **codes), 1e-5)
    calls = [(key, call) for (key, _), call in both.file.procedures.calls.items() if "_in_" not in call.name]
    assert {key for key, _ in calls} == set(both.model.inferences)
    for key, call in calls:
        with torch.no_grad():
            wanted = both.model.infer(key, **both.given).variables
            (found,) = [getattr(both.left, call.name)(*(values[both.local(each)] for each in call.takes))]
        assert wanted[call.gives[0]].abs().max() > 0
        assert close(found, wanted[call.gives[0]], 1e-5), key
        values[both.local(call.gives[0])] = found  # what is inferred from it comes later


@pytest.mark.parametrize("name", [each for each in EVERY if each != "denoising_autoencoder"])  # whose noise is drawn elsewhere
def test_the_first_steps_of_learning_are_those_of_the_compiled_model(name, tmp_path, monkeypatch):
    check_learning(load(name, EVERY[name]).for_steps(steps=STEPS), tmp_path, monkeypatch)


def check_learning(spec, folder: Path, monkeypatch) -> Both:
    monkeypatch.setattr(curved, "_signed", lambda residual, _: signs(residual) * residual)  # by chance, elsewhere another one
    both = Both(spec.with_changes({f"learning.{key}.batch_size": "all" for key in spec.learning}, "test"), folder)
    monkeypatch.setattr(both.module, "random_signs", signs, raising=False)
    model = both.model.double()
    left, given = both.left.double().train(), {key: each.double() for key, each in both.given.items()}
    start = {address: each.clone() for address, each in parameters_by_address(model).items()}
    every = stretches(model, ROWS)
    for number, stretch in enumerate(every):
        stretch.begin()
        tuning, rows = Tuning(stretch), model.assign(given)
        tuning.begin(lambda rows=rows: [rows], known_before(every[:number]))
        (side,) = stretch.sides()
        for step in range(STEPS):
            outcome = evaluate(stretch, side, model.assign(given), Learning(0, (stretch.id, step), stretch.learned))
            side.learn(outcome, Moment(step / STEPS, is_last=True))
            model.project(stretch.view.graph, stretch.view.inferences, side.owners)
            tuning.follow(outcome.batch)
    for call, takes in both.file.learning.calls:
        getattr(both.module, call)(left, *(given[each] for each in takes))
    moved = 0
    for address, learned in parameters_by_address(model).items():
        if address in both.names.parameters:
            moved += not torch.equal(learned, start[address])
            assert close(getattr(left, both.names.parameters[address]), learned, 1e-6), address
    assert moved > 0
    return both


def test_it_is_lint_clean_and_says_nothing_twice(text, tmp_path):
    path = tmp_path / "left.py"
    path.write_text(text)
    options = ("--no-cache", "--config", str(ROOT / "pyproject.toml"), "--ignore", "N802")  # names are the spec's
    words = [sys.executable, "-m", "ruff", "check", *options, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "factorgraph" not in re.sub(r'^""".*?"""', "", text, flags=re.DOTALL)
    tree = ast.parse(text)
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    defined = [each for each in functions if each not in ("__init__", "energy")]
    defined += [each.id for node in tree.body if isinstance(node, ast.Assign) for each in node.targets]
    outside = ("infer_",)  # what readers call
    unused = [each for each in defined if len(re.findall(rf"\b{each}\b", text)) < 2 and not each.startswith(outside)]
    assert not unused


def test_it_runs_alone(tmp_path):
    spec = load("psd", SMALL["psd"]).for_steps(steps=2)
    (tmp_path / "left.py").write_text(eject(spec))
    np.save(tmp_path / "Y.npy", np.random.default_rng(0).standard_normal((12, 25)))
    done = subprocess.run([sys.executable, "-I", "left.py", "Y.npy"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["warm", "joint"]
    learned = torch.load(tmp_path / "model.pt", weights_only=True)
    assert learned["decoder_matrix"].shape == (25, 20) and learned["decoder_matrix"].norm(dim=0).allclose(torch.ones(20))


def test_comments_carry_the_lines_of_the_spec():
    text, lines = eject(load("psd")), (ROOT / "specs" / "psd.yaml").read_text().splitlines()
    for number, line in re.findall(r"# psd\.yaml:(\d+)  (\w+: )", text):
        assert lines[int(number) - 1].strip().startswith(line.strip())
    assert "# psd.yaml:12  decoder: {type: linear, bias: false, unit_norm: columns}" in text


@pytest.mark.parametrize(
    "name, said",
    [
        ("toy/gmm", "FG692"),
        ("gan", "noise"),
        ("ica", "reads a matrix"),
        ("factor_analysis", "method: marginal"),
        ("task_driven_dictionary", "learning sees through"),
        ("contractive_autoencoder", "the loss contraction"),
        ("lista_sparse_inhibition", "removes entries"),
    ],
)
def test_what_cannot_be_written_is_refused_at_its_line(name, said):
    with pytest.raises(SpecError) as told:
        eject(load(name))
    assert "FG692" in str(told.value) and said in str(told.value) and ".yaml:" in str(told.value)


LATERAL = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [5]}, Z: {kind: latent, shape: [4]}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}, lateral: {type: linear, bias: false}}
factors:
  fit:        {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity:   {type: l1, of: Z, weight: 0.1}
  inhibition: {type: inner_product, between: [abs(Z), lateral(abs(Z))], weight: 0.05}
inference: {best: {method: argmin, of: Z, steps: 5SOLVER}}
learning: {fit: {loss: energy, steps: 1}}
"""


@pytest.mark.parametrize(
    ("solver", "change", "said"),
    [
        ("", {}, "inference.best.without: [inhibition]; or"),  # the solver is ista, and no other accepts it
        (", solver: active_set", {"factors.inhibition.weight": 0}, "solver: ista, fista, coordinate_descent, admm, "),
        (", solver: ista, without: [sparsity]", {}, "inference.best.solver: lbfgs; or"),
    ],
)
def test_a_search_that_cannot_be_written_is_told_what_can(solver, change, said):
    spec = loads(LATERAL.replace("SOLVER", solver)).with_changes(change, "a test")
    with pytest.raises(SpecError) as told:
        eject(spec)
    assert said in str(told.value)
    if not change:
        assert "no bound of its curvature, for inhibition has none" in str(told.value)
    field, value = re.search(r"inference\.best\.(\w+): (\[inhibition\]|\w+)", str(told.value)).groups()
    value = ["inhibition"] if field == "without" else value
    assert "class Model" in eject(spec.with_changes({f"inference.best.{field}": value}, "the fix"))


@pytest.mark.parametrize("solver", ["ista", "{type: fista, restart: false}", "coordinate_descent", "fista"])
@pytest.mark.parametrize("domain", ["real", "nonnegative"])
def test_searches_that_no_shipped_spec_names(solver, domain, tmp_path):
    spec = specs.SPARSE.replace("argmin, of: Z", f"argmin, of: Z, steps: 60, solver: {solver}")
    spec = spec.replace("Z: {kind: latent,", f"Z: {{kind: latent, domain: {domain},")
    both = Both(loads(spec), tmp_path)
    wanted = both.model.infer(**both.given).variables["Z"]
    assert close(both.left.infer_optimal(both.given["Y"]), wanted, 1e-5) and (wanted == 0).any() and wanted.abs().max() > 0.1


@pytest.mark.parametrize("domain", ["real", "nonnegative"])
@pytest.mark.parametrize("window", [[1, 3], [2, 1]])
def test_the_gap_of_groups_is_written(domain, window, tmp_path):
    """A tolerance that is met long before the steps are taken: codes agree where both stop by the same rule."""
    spec = specs.SPARSE.replace("argmin, of: Z", "argmin, of: Z, steps: 500, tolerance: 0.01, solver: fista")
    spec = re.sub(r"Z: {kind: latent, shape: [^}]*}", f"Z: {{kind: latent, domain: {domain}, shape: [4, 3]}}", spec)
    pool = f"  pool: {{type: pool, kind: l2, window: {window}}}"
    spec = spec.replace("factors:", f"{pool}\nfactors:\n  lengths: {{type: l1, of: pool(Z), weight: 0.2}}")
    both = Both(loads(spec), tmp_path)
    found = both.model.infer(**both.given)
    assert close(both.left.infer_optimal(both.given["Y"]), found.variables["Z"], 1e-5)
    assert "duality_gap_of_groups" in both.file.text() and (found.status == 0).all() and (found.steps < 200).all()


def test_several_latents_by_their_closed_form(tmp_path):
    ridge = "a: {type: squared_distance, between: [A, 0.37]}"
    both = Both(loads(specs.TWO_LATENTS.replace("a: {type: l1, of: A, weight: 0.3}", ridge)), tmp_path)
    wanted = both.model.infer(**both.given).variables
    for found, key in zip(both.left.infer_optimal(both.given["Y"]), "AB", strict=True):
        assert close(found, wanted[key], 1e-5)


HOSTILE = r'''
factorgraph: 1
title: 'A "title" that """ends""" its docstring \'
variables:
  model: {kind: observed, shape: [6]}
  start: {kind: latent, shape: [5]}
functions:
  forward: {type: linear, bias: false, unit_norm: columns}
  train: {type: linear, activation: tanh}
factors:
  energy: {type: squared_distance, between: [model, forward(start)]}
  print: {type: squared_distance, between: [start, train(model)], weight: 0.37}
  half: {type: l1, of: start, weight: 0.21}
inference:
  eval: {method: argmin, of: start, solver: fista}
learning:
  loss: {loss: energy, steps: 2}
'''


def test_names_of_the_spec_take_no_name_that_the_file_needs(tmp_path):
    both = Both(loads(HOSTILE, 'a """ name.yaml'), tmp_path)
    wanted = both.model.infer(**both.given).variables["start"]
    assert wanted.abs().max() > 0.1 and close(both.left.infer_eval(both.given["model"]), wanted, 1e-5)
    both.left.train()
    both.module.train_loss(both.left, both.given["model"])


SPREAD = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [7]}}
functions: {net: {type: network, layers: 4fc-fc, init: spread}}
factors: {low: {type: value, of: net(Y)}}
"""


def test_what_starts_spread_starts_spread_in_the_file():
    text = eject(loads(SPREAD))
    for shape, width in (("4, 7", 7**-0.5), ("4", 7**-0.5), ("1, 4", 4**-0.5), ("1", 4**-0.5)):
        assert f"(2 * torch.rand({shape}) - 1) * {width:.6g})" in text
    assert "randn" not in text


def test_a_phase_without_steps_is_left_out():
    text = eject(load("psd", (*SMALL["psd"], "learning.warm.steps=0")))
    assert "train_joint" in text and "warm" not in text.partition("class Model")[2]


def test_a_size_that_is_the_number_of_recorded_rows_stays_a_size(tmp_path):
    text = eject(loads(specs.SPARSE.replace("pixels: 20, code: 33", "pixels: 97, code: 101")))
    assert "torch.randn(97, 101)" in text and "new_zeros(len(Y), 101)" in text
    both_sizes = re.findall(r"reshape\(.*\)", text)
    assert not any("len(x), len(x)" in each for each in both_sizes)


# --- a law over leaves


HEAD = """from __future__ import annotations
import math
import torch
from torch import Tensor
from torch.nn import functional
"""


def tried(run, names: dict[str, torch.Tensor], rows: int, tmp_path: Path):
    """What a recorded method gives, and what its text gives, for another number of rows."""
    with recording(names, rows, f"len({next(iter(names))})") as seen:
        outcome = run(*names.values())
    body = "\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in seen.written(outcome))
    sources = Sources()
    for each in seen.helpers:
        sources.take(each)
    helpers = "\n".join([*sources.constants.values(), *sources.texts.values()])
    text = f"{HEAD}{helpers}\ndef written({', '.join(names)}):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    module = module_of(text, tmp_path)
    fewer = [each[:5] if len(each) == rows else each for each in names.values()]
    return module.written(*fewer), run(*fewer)


FUNCTIONS = [(name, dict(options)) for name, cls in registry.leaves("functions").items() for options in cls.examples]


@pytest.mark.parametrize("name, options", FUNCTIONS, ids=str)
def test_every_function_is_written_as_what_it_computes(name, options, tmp_path):
    leaf = registry.leaves("functions")[name].model_validate({"type": name, **options})
    for shape in ((4, 3, 5), (3, 8, 8), (7,)):
        try:
            result = leaf.output_shape(shape, shape)
            parameters = leaf.parameters(shape, result)
        except ValueError:
            continue
        torch.manual_seed(2)
        values = {key: torch.rand(each.shape) + 0.1 for key, each in parameters.items()}
        names = {"x": torch.randn(97, *shape), **values}

        def run(x, *rest, known=tuple(values)):
            return leaf.forward(x, dict(zip(known, rest, strict=True)))

        found, wanted = tried(run, names, 97, tmp_path)
        assert close(found, wanted, 1e-6) and found.shape == wanted.shape
        return
    pytest.fail("no shape fits it")


def test_what_looks_at_a_value_is_no_mathematics_to_be_written():
    x = torch.ones(97, 3)
    with pytest.raises(UnwritableError, match="looks at a value"), recording({"x": x}, 97, "len(x)"):
        bool(x.sum() > 0)


def test_a_name_is_given_anew_only_where_nothing_reads_the_old_value(tmp_path):
    def run(x):
        y = x + 1
        kept = y * 2
        y = x - 1
        return kept * y + y * y + kept

    found, wanted = tried(run, {"x": torch.randn(97, 3)}, 97, tmp_path)
    assert close(found, wanted, 1e-6)


def test_a_name_of_python_or_of_the_file_breaks_nothing(tmp_path):
    text = HOSTILE
    for old, new in {"model": "output", "start": "self", "forward": "project", "train:": "torch:", "train(": "torch("}.items():
        text = text.replace(old, new)
    text = text.replace("learning:", "learning:\n  train_a: {loss: energy, steps: 1}\n  a_loss: {loss: energy, steps: 1}")
    text = text.replace("print:", "training:").replace("half:", "_:").replace("eval:", "torch:").replace("loss: {", "output: {")
    left = module_of(eject(loads(text)), tmp_path)
    data = 2 * torch.randn(ROWS, 6)
    np.save(tmp_path / "data.npy", data.numpy())
    command = [sys.executable, "-I", "left.py", "data.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.from_numpy(np.load(tmp_path / "data.npy")), data) and (tmp_path / "model.pt").is_file()
    assert left.Model().infer_torch(data).shape == (ROWS, 5)


def test_a_variable_keeps_its_value_through_a_closed_form(tmp_path):
    changed = load("toy/pca").document.text.replace("Y", "x")
    left = module_of(eject(loads(changed).for_steps(steps=2)), tmp_path)
    assert "x = inputs(" not in inspect.getsource(left)


@pytest.mark.parametrize("words", ["'''''' ; raise SystemExit ; ''''''", '"""; raise SystemExit; """', "\\"])
def test_words_of_a_spec_stay_words(words, tmp_path):
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    text = HOSTILE.replace("variables:", f'source: {{paper: "{escaped}", lecture: "{escaped}"}}\nvariables:')
    left = module_of(eject(loads(text, f"{words}.yaml")), tmp_path)
    assert callable(left.main)  # it was read to its end, and nothing of it ran


def test_a_spec_and_a_changed_file_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec_file = tmp_path / "own.yaml"
    spec_file.write_text(HOSTILE)
    spec = load("own.yaml")
    with pytest.raises(RunError, match=r"FG661: own\.yaml is what this is made of"):
        write(spec, Path("own.yaml"))
    assert spec_file.read_text() == HOSTILE
    made = write(spec, None)
    write(spec, None)  # the same text
    made.write_text("mine")
    with pytest.raises(RunError, match=r"own\.py is there already, with another text(.|\n)*-o own\.py, to replace it"):
        write(spec, None)
    assert made.read_text() == "mine" and write(spec, made).read_text() != "mine"


@pytest.mark.parametrize("name", ["kmeans", "lcod", "lista", "psd_hierarchy", "convolutional_sparse_coding", "toy/pca"])
def test_what_the_file_calls_its_own_values_is_no_name_of_a_variable(name):
    file = Ejected(load(name, EVERY[name]))
    functions = [each for each in ast.walk(ast.parse(file.text())) if isinstance(each, ast.FunctionDef)]
    reading = [each for each in functions if re.match("infer_|begin_|train_|main$", each.name) or each.name.endswith("_loss")]
    bound = {
        each.id for one in reading for each in ast.walk(one) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
    unknown = bound - set(file.written.names.given.values()) - INSIDE - TAKEN - {"_"}
    assert "model" in bound and not unknown, unknown
