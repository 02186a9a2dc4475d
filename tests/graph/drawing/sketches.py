"""Graphs built by hand, without the loader: what the tests of the drawing draw."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, ClassVar

from factorgraph.graph.model import Application, Constant, FactorNode, FunctionNode, Graph, Operation, Variable, Written
from factorgraph.spec.expressions import Binary, Call, Negate, Node, Number, Read, parse_value
from factorgraph.structure import Factor, Function, Glyph, Parameter

WRITTEN = Written(())


class Drawn(Factor):
    """A factor that is only drawn; its formula is ``glyph``."""

    glyph: ClassVar[Glyph] = Glyph("")

    def energy(self, *arguments: Any) -> Any:
        raise AssertionError("a drawing computes nothing")


class Mapped(Function):
    """A function that is only drawn."""

    def output_shape(self, given: Any, wanted: Any) -> Any:
        return wanted

    def forward(self, x: Any, parameters: Any) -> Any:
        raise AssertionError("a drawing computes nothing")


def _factor_kind(name: str, formula: str) -> Factor:
    return type(name.title(), (Drawn,), {"glyph": Glyph(name, formula), "__annotations__": {"glyph": ClassVar[Glyph]}})(type=name)


KINDS = {
    "squared_distance": _factor_kind("squared_distance", "‖{0} - {1}‖²"),
    "l1": _factor_kind("l1", "‖{0}‖₁"),
    "cost": _factor_kind("cost", ""),
    "product": _factor_kind("product", "−{0}ᵀ{1}"),
}


class Sketch:
    """A graph in the making: ``variable``, ``function`` and ``factor`` in the spec's words, then ``graph()``."""

    def __init__(self, title: str):
        self.title = title
        self.values: dict[str, Any] = {}
        self.functions: dict[str, FunctionNode] = {}
        self.factors: dict[str, FactorNode] = {}
        self.results: dict[str, tuple[int, ...]] = {}
        self.chains: dict[str, list[str]] = {}

    def variable(self, id: str, kind: str, *shape: int, of: str | None = None) -> Sketch:
        name, _, slots = id.partition("[")
        numbered = {f"i{n}": int(slot) for n, slot in enumerate(slots.rstrip("]").split(",")) if slot}
        made = None if of is None else self.value(of)
        self.values[id] = Variable(id, name, numbered, kind, shape, WRITTEN, definition=made)  # type: ignore[arg-type]
        return self

    def function(self, id: str, types: str, *result: int, learns: bool = True) -> Sketch:
        first, *more = types.split()
        spelled = id.partition("[")[0]
        held = {"matrix": Parameter((1,))} if learns else {}
        self.chains[id] = [id, *(f"{id}.{part}" for part in ("activation", "gain")[: len(more)])]
        for node, kind in zip(self.chains[id], (first, *more), strict=True):
            self.functions[node] = FunctionNode(node, spelled, Mapped(type=kind), held, (), result, WRITTEN)
            held = {}
        self.results[id] = result
        return self

    def factor(self, id: str, kind: str, *arguments: str, weight: float = 1.0) -> Sketch:
        name, _, slot = id.partition("[")
        slots = {"t": int(slot[:-1])} if slot else {}
        given = tuple(self.value(each) for each in arguments)
        self.factors[id] = FactorNode(id, name, slots, KINDS[kind], weight, given, {}, WRITTEN)
        return self

    def graph(self) -> Graph:
        spec = SimpleNamespace(title=self.title, name="sketch")
        return Graph(spec, self.values, self.functions, self.factors)  # type: ignore[arg-type]

    def value(self, text: str) -> str:
        return self._node(parse_value(text))

    def _node(self, node: Node) -> str:
        match node:
            case Number(value=value):
                return self._put(Constant(f"{value:g}", value, WRITTEN))
            case Read(name=name, slot=slot, output=output):
                key = ".".join(name) + ("" if slot is None else f"[{slot.offset}]")
                assert output is None and key in self.values, f"{key} is not in the sketch"
                return key
            case Negate(operand=operand):
                inner = self._node(operand)
                return self._put(Operation(f"-({inner})", "negate", (inner,), self.values[inner].shape, WRITTEN))
            case Binary(operator=sign, left=left, right=right):
                ends = (self._node(left), self._node(right))
                shape = max((self.values[each].shape for each in ends), key=len)
                return self._put(Operation(f"({ends[0]} {sign} {ends[1]})", sign, ends, shape, WRITTEN))  # type: ignore[arg-type]
            case Call():
                return self._call(node)

    def _call(self, call: Call) -> str:
        given = [self._node(each) for each in call.arguments]
        name = ".".join(call.name)
        if name in ("sum", "mean"):
            return self._put(Operation(f"{name}({given})", name, tuple(given), self.values[given[0]].shape, WRITTEN))  # type: ignore[arg-type]
        if len(given) > 1:
            shapes = [self.values[each].shape or (1,) for each in given]
            joined = (sum(shape[0] for shape in shapes), *shapes[0][1:])
            given = [self._put(Operation(f"join({', '.join(given)})", "join", tuple(given), joined, WRITTEN))]
        spelled, _, method = name.partition(".")
        last = given[0]
        for node in self.chains[spelled.replace("_at_", "[") + ("]" if "_at_" in spelled else "")]:
            shape = self._domain(node) if method == "transpose" else self.functions[node].result
            method = method or "forward"
            last = self._put(Application(f"{node}.{method}({last})", node, method, (last,), shape, WRITTEN))
        if call.output is not None:
            name = f"{last}.{call.output}"
            whole = self.values[last].shape
            shape = whole if call.output == "what" else (2, *whole[1:])
            last = self._put(Application(name, self.values[last].function, "forward", (last,), shape, WRITTEN, call.output))
        return last

    def _domain(self, function: str) -> tuple[int, ...]:
        """The shape that a function was first applied to."""
        used = next(each for each in self.values.values() if isinstance(each, Application) and each.function == function)
        return tuple(self.values[used.arguments[0]].shape)

    def _put(self, value: Any) -> str:
        self.values.setdefault(value.id, value)
        return str(value.id)


def psd() -> Graph:
    sketch = Sketch("Predictive Sparse Decomposition on natural patches")
    sketch.variable("Y", "observed", 144).variable("Z", "latent", 256)
    sketch.function("decoder", "linear", 144).function("encoder", "linear shrink", 256)
    sketch.factor("reconstruction", "squared_distance", "Y", "decoder(Z)")
    sketch.factor("prediction", "squared_distance", "Z", "encoder(Y)")
    return sketch.factor("sparsity", "l1", "Z").graph()


def sparse_coding() -> Graph:
    sketch = Sketch("Sparse coding").variable("Y", "observed", 144).variable("Z", "latent", 256)
    sketch.function("decoder", "linear", 144).factor("reconstruction", "squared_distance", "Y", "decoder(Z)")
    return sketch.factor("sparsity", "l1", "Z", weight=0.37).graph()


def kmeans() -> Graph:
    sketch = Sketch("K-means as an energy").variable("Y", "observed", 2).variable("Z", "latent", 20)
    return sketch.function("prototypes", "linear", 2).factor("distance", "squared_distance", "Y", "prototypes(Z)").graph()


def autoencoder() -> Graph:
    sketch = Sketch("Autoencoder").variable("Y", "observed", 784).function("encoder", "linear relu", 30)
    sketch.function("decoder", "linear", 784).variable("H", "derived", 30, of="encoder(Y)")
    sketch.factor("reconstruction", "squared_distance", "Y", "decoder(H)")
    return sketch.factor("sparsity", "l1", "H", weight=0.1).graph()


def tied() -> Graph:
    sketch = Sketch("A tied autoencoder").variable("Y", "observed", 784).function("W", "linear", 30)
    return sketch.factor("reconstruction", "squared_distance", "Y", "W.transpose(W(Y))").graph()


def frames(count: int = 3) -> Graph:
    sketch = Sketch("Slow features: frames share one encoder and one decoder")
    sketch.function("decoder", "linear", 144).function("encoder", "linear shrink", 64)
    for t in range(count):
        sketch.variable(f"X[{t}]", "observed", 144).variable(f"Z[{t}]", "latent", 64)
    for t in range(count):
        sketch.factor(f"reconstruction[{t}]", "squared_distance", f"X[{t}]", f"decoder(Z[{t}])")
        sketch.factor(f"prediction[{t}]", "squared_distance", f"Z[{t}]", f"encoder(X[{t}])", weight=0.37)
    for t in range(1, count):
        sketch.factor(f"slowness[{t}]", "l1", f"Z[{t}] - Z[{t - 1}]", weight=1.25)
    return sketch.graph()


def what_where() -> Graph:
    sketch = Sketch("Stacked what-where autoencoder").variable("X", "observed", 3, 32, 32)
    sketch.variable("canvas", "noise", 3, 32, 32)
    for level, side in enumerate((16, 8, 4)):
        sketch.function(f"encoder[{level}]", "convolution relu", 64, side, side)
        sketch.function(f"decoder[{level}]", "convolution", 64 if level else 3, 2 * side, 2 * side)
        sketch.function("pool", "what_where", 64, side, side, learns=False)
        below = f"what[{level - 1}]" if level else "X + 0.5 * canvas"
        sketch.variable(f"stage[{level}]", "derived", 64, side, side, of=f"pool(encoder_at_{level}({below}))")
        sketch.variable(f"what[{level}]", "derived", 64, side, side, of=f"pool(encoder_at_{level}({below})).what")
        sketch.variable(f"where[{level}]", "derived", 2, side, side, of=f"pool(encoder_at_{level}({below})).where")
    above = "what[2]"
    for level in (2, 1, 0):
        sketch.results["pool"] = sketch.results[f"encoder[{level}]"]
        target = f"what[{level - 1}]" if level else "X"
        above = f"decoder_at_{level}(pool.unpool({above}, where[{level}]))"
        sketch.factor(f"middle[{level}]", "squared_distance", target, above, weight=0.2 if level else 1.0)
    return sketch.graph()


def stack() -> Graph:
    sketch = Sketch("Two layers of sparse codes").variable("Y", "observed", 144).variable("label", "observed", 10)
    for level, width in enumerate((256, 64)):
        sketch.variable(f"Z[{level}]", "latent", width)
    sketch.function("decoder[0]", "linear", 144).function("decoder[1]", "linear", 256)
    sketch.function("classifier", "linear softmax", 10)
    sketch.factor("first", "squared_distance", "Y", "decoder_at_0(Z[0])")
    sketch.factor("second", "squared_distance", "Z[0]", "decoder_at_1(Z[1])")
    sketch.factor("class", "cost", "classifier(Z[1])", "label", weight=2.5)
    return sketch.factor("few[0]", "l1", "Z[0]", weight=0.37).factor("few[1]", "l1", "Z[1]", weight=0.2).graph()


def gan() -> Graph:
    sketch = Sketch("A generator and its critic").variable("X", "observed", 3, 32, 32).variable("N", "noise", 100)
    sketch.function("generator", "fc tanh", 3, 32, 32).function("critic", "convolution", 1)
    sketch.variable("fake", "derived", 3, 32, 32, of="generator(N)").variable("score", "derived", of="critic(fake)")
    return sketch.factor("energy", "cost", "critic(X)").graph()


def recurrent(count: int = 4) -> Graph:
    sketch = Sketch("Prediction by a recurrent net").function("cell", "linear tanh", 32).function("readout", "linear", 64)
    for t in range(count):
        sketch.variable(f"X[{t}]", "observed", 64)
    sketch.variable("state[0]", "derived", 32, of="cell(X[0], 0)")
    for t in range(1, count):
        sketch.factor(f"next[{t}]", "squared_distance", f"X[{t}]", f"readout(state[{t - 1}])")
        sketch.variable(f"state[{t}]", "derived", 32, of=f"cell(X[{t}], state[{t - 1}])")
    return sketch.graph()


def chance(seed: int) -> Graph:
    """Variables, functions and factors thrown together: valid, not sensible."""
    dice = random.Random(seed)
    sketch = Sketch(f"Chance {seed}")
    names = [f"V{n}" for n in range(dice.randint(1, 6))]
    for n, name in enumerate(names):
        sketch.variable(name, "observed" if n == 0 else dice.choice(["observed", "latent", "noise"]), dice.choice([3, 144, 1000]))
    for n in range(dice.randint(1, 5)):
        sketch.function(f"f{n}", dice.choice(["linear", "linear relu", "relu"]), dice.choice([4, 5]), learns=dice.random() < 0.7)
    functions = list(sketch.chains)

    def expression(depth: int) -> str:
        if depth == 0 or dice.random() < 0.3:
            return dice.choice(names)
        if dice.random() < 0.3:
            return f"({expression(depth - 1)} {dice.choice('+-*')} {expression(depth - 1)})"
        return f"{dice.choice(functions)}({expression(depth - 1)})"

    for n in range(dice.randint(0, 3)):
        sketch.variable(f"D{n}", "derived", 7, of=expression(2))
        names.append(f"D{n}")
    for n in range(dice.randint(1, 6)):
        kind = dice.choice(["l1", "squared_distance", "cost"])
        given = [expression(3) for _ in range(2 if kind == "squared_distance" else 1)]
        sketch.factor(f"factor_{n}", kind, *given, weight=dice.choice([1, 0.37, 12.5]))
    return sketch.graph()


ALL = {each.__name__: each for each in (psd, sparse_coding, kmeans, autoencoder, tied, frames, what_where, stack, gan, recurrent)}
