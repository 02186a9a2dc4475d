"""A model and data small enough to check by hand: what metrics, claims and figures need, without compiling a spec."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import torch

from factorgraph.compile.plan import ProcedurePlan
from factorgraph.graph.model import Application, FactorNode, FunctionNode, Graph, Variable, Written
from factorgraph.structure import Parameter

HERE = Written(())


class NoSteps:
    """A chain of no preparation."""

    def __init__(self, shape=(0,)):
        self.prepared_shape = shape

    def apply(self, x):
        return x, {}

    def pixels(self, x):
        return x.reshape(len(x), *self.prepared_shape)

    pixels_of_rows = pixels


class Doubled(NoSteps):
    """A chain of one step, x' = 2x: what a unit writes is halved in pixels, what it reads is doubled."""

    def apply(self, x):
        return 2 * x, {}

    def pixels(self, x):
        return super().pixels(x) / 2

    def pixels_of_rows(self, x):
        return super().pixels(x) * 2


class FakeSource:
    """Points in the plane have a background, planted signals a truth, photographs neither."""

    def __init__(self, truth=None, background=None):
        if truth is not None:
            self.truth = lambda seed: truth
        if background is not None:
            self.background = lambda count, seed: background


class FakeSolution(SimpleNamespace):
    pass


class FakeModel:
    """|Y - D Z|^2 + w_p |Z - shrink(E Y)|^2 + w_s |Z|_1 with two procedures: ``optimal`` (ISTA) and ``fast`` (the encoder)."""

    def __init__(self, decoder, encoder, *, prediction=0.37, sparsity=0.5, threshold=0.1, steps=60, source=None, role=True):
        values, units = decoder.shape
        self.decoder, self.encoder = torch.as_tensor(decoder), torch.as_tensor(encoder)
        self.weights = {"reconstruction": 1.0, "prediction": prediction, "sparsity": sparsity}
        self.threshold, self.steps = threshold, steps
        source = source or FakeSource()
        data = SimpleNamespace(blocks={"": SimpleNamespace(source=source, bind={"Y": "field"})})
        spec = SimpleNamespace(inference={"optimal": None, "fast": None}, learning={}, data=data, seed=3, indices={}, figures={})
        self.graph = self._graph(spec, values, units, role)
        self.spec = spec
        kinds, factors = {"optimal": "argmin", "fast": "amortized"}, tuple(self.graph.factors)
        plans = [ProcedurePlan(name, name, {}, kind, ("Z",), factors, units) for name, kind in kinds.items()]
        self.inferences = {each.id: SimpleNamespace(of_latents=True, plan=each, method=SimpleNamespace()) for each in plans}

    def _graph(self, spec, values, units, role):
        y = Variable("Y", "Y", {}, "observed", (values,), HERE)
        z = Variable("Z", "Z", {}, "latent", (units,), HERE)
        dec = Application("decoder(Z)", "decoder", "forward", ("Z",), (values,), HERE)
        enc = Application("encoder(Y)", "encoder", "forward", ("Y",), (units,), HERE)
        names = ("decoder", "encoder") if role else ("", "")
        matrices = {"decoder": Parameter((values, units)), "encoder": Parameter((units, values))}
        functions = {
            key: FunctionNode(key, key, None, {"matrix": each}, each.shape[1:], each.shape[:1], HERE, name)
            for (key, each), name in zip(matrices.items(), names, strict=True)
        }
        leaf = SimpleNamespace(energy=lambda a, b: (a - b).square().sum(1))
        absolute = SimpleNamespace(energy=lambda a: a.abs().sum(1))
        factors = {
            "reconstruction": FactorNode("reconstruction", "reconstruction", {}, leaf, 1.0, ("Y", "decoder(Z)"), {}, HERE),
            "prediction": FactorNode(
                "prediction", "prediction", {}, leaf, self.weights["prediction"], ("Z", "encoder(Y)"), {}, HERE
            ),
            "sparsity": FactorNode("sparsity", "sparsity", {}, absolute, self.weights["sparsity"], ("Z",), {}, HERE),
        }
        return Graph(spec, {each.id: each for each in (y, z, dec, enc)}, functions, factors)

    def parameters(self):
        return iter([self.decoder])

    def named_parameters(self):
        return [("functions.decoder.matrix", self.decoder), ("functions.encoder.matrix", self.encoder)]

    @property
    def program(self):
        return SimpleNamespace(energy=self._energy, weight=lambda key, tensors: self.graph.factors[key].weight)

    def tensors(self):
        return {}

    def _energy(self, key, known, tensors):
        node = self.graph.factors[key]
        return node.leaf.energy(*(known[each] for each in node.arguments))

    def code(self, y):
        return self._shrink(y @ self.encoder.T, self.threshold)

    @staticmethod
    def _shrink(v, t):
        return v.sign() * (v.abs() - t).clamp_min(0)

    def infer(self, procedure=None, *, Y):
        z = self.code(Y)
        if procedure in (None, "optimal"):
            first, bound = z, 2 * float(torch.linalg.matrix_norm(self.decoder, 2)) ** 2 + 2 * self.weights["prediction"]
            for _ in range(self.steps):
                slope = 2 * (z @ self.decoder.T - Y) @ self.decoder + 2 * self.weights["prediction"] * (z - first)
                z = self._shrink(z - slope / bound, self.weights["sparsity"] / bound)
        shares = {
            "reconstruction": (Y - z @ self.decoder.T).square().sum(1),
            "prediction": self.weights["prediction"] * (z - self.code(Y)).square().sum(1),
            "sparsity": self.weights["sparsity"] * z.abs().sum(1),
        }
        count = torch.full((len(Y),), self.steps if procedure != "fast" else 0)
        status = torch.ones_like(count) if procedure != "fast" else torch.zeros_like(count)
        return FakeSolution(variables={"Y": Y, "Z": z}, energy=sum(shares.values()), shares=shares, status=status, steps=count)

    predict = infer  # nothing is given in training only

    def measured(self, procedure, values, needed=None):
        return self.infer(procedure, **values)

    def sequence(self, procedure, given, needed=None):
        return (procedure or "optimal",)

    def evaluate(self, wanted, **known):
        found = {"decoder(Z)": known["Z"] @ self.decoder.T, "encoder(Y)": self.code(known["Y"]), **known}
        return {key: found[key] for key in wanted}


class FakePlane:
    """K-means in the plane: the energy of a point is its squared distance to the nearest prototype."""

    def __init__(self, prototypes, background=None):
        self.prototypes = torch.as_tensor(prototypes)
        source = FakeSource(background=background)
        data = SimpleNamespace(blocks={"": SimpleNamespace(source=source, bind={"Y": "field"})})
        spec = SimpleNamespace(inference={"nearest": None}, learning={}, data=data, seed=0, indices={}, figures={})
        y = Variable("Y", "Y", {}, "observed", (2,), HERE)
        z = Variable("Z", "Z", {}, "latent", (len(prototypes),), HERE, domain="one_hot")
        value = Application("prototypes(Z)", "prototypes", "forward", ("Z",), (2,), HERE)
        function = FunctionNode("prototypes", "prototypes", None, {"matrix": None}, (len(prototypes),), (2,), HERE, "decoder")
        leaf = SimpleNamespace(energy=lambda a, b: (a - b).square().sum(1))
        factor = FactorNode("reconstruction", "reconstruction", {}, leaf, 1.0, ("Y", "prototypes(Z)"), {}, HERE)
        self.graph = Graph(spec, {each.id: each for each in (y, z, value)}, {"prototypes": function}, {"reconstruction": factor})
        self.spec = spec
        plan = ProcedurePlan("nearest", "nearest", {}, "argmin", ("Z",), ("reconstruction",), len(prototypes))
        self.inferences = {"nearest": SimpleNamespace(of_latents=True, plan=plan, method=SimpleNamespace())}

    def parameters(self):
        return iter([self.prototypes])

    def named_parameters(self):
        return [("functions.prototypes.matrix", self.prototypes.T)]

    def infer(self, procedure=None, *, Y):
        distance = torch.cdist(Y, self.prototypes).square()
        energy, which = distance.min(1)
        z = torch.nn.functional.one_hot(which, len(self.prototypes)).to(Y.dtype)
        none = torch.zeros(len(Y), dtype=torch.int64)
        return FakeSolution(variables={"Y": Y, "Z": z}, energy=energy, shares={"reconstruction": energy}, status=none, steps=none)

    predict = infer

    def measured(self, procedure, values, needed=None):
        return self.infer(procedure, **values)

    def sequence(self, procedure, given, needed=None):
        return ("nearest",)

    def evaluate(self, wanted, *, Z, **known):
        found = {"prototypes(Z)": Z @ self.prototypes, "Z": Z, **known}
        return {key: found[key] for key in wanted}


def dataset(test, train=None, chain=None, field=None):
    """A dataset of one observed variable, Y; ``field`` is the shape of the samples that it flattens."""
    test = np.asarray(test, dtype=np.float32)
    chain = chain or NoSteps(field or test.shape[1:])
    preparation = SimpleNamespace(bind={"Y": "field"}, chain_of=lambda variable: chain)
    rows = {"test": {"Y": test}, "train": {"Y": test if train is None else np.asarray(train)}}
    return SimpleNamespace(**rows, preparation=preparation, present={"train": {}, "test": {}})


def gabor(side, *, angle=0.6, frequency=0.22, width=1.6, length=2.2, centre=None, phase=0.4):
    """One Gabor function on a square of pixels."""
    middle = centre or ((side - 1) / 2, (side - 1) / 2)
    down, across = np.mgrid[:side, :side].astype(float)
    u = (across - middle[1]) * math.cos(angle) + (down - middle[0]) * math.sin(angle)
    v = -(across - middle[1]) * math.sin(angle) + (down - middle[0]) * math.cos(angle)
    return np.exp(-(u**2) / (2 * width**2) - v**2 / (2 * length**2)) * np.cos(2 * math.pi * frequency * u + phase)
