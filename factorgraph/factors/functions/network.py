"""A chain of layers, written as a layer string."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from factorgraph.factors.functions import _convolve, _layers
from factorgraph.factors.functions._layers import LEARNS, Layer
from factorgraph.lazy import torch
from factorgraph.spec.choices import Mistake, Mistakes, find
from factorgraph.spec.constants import Positive
from factorgraph.spec.references import Reference
from factorgraph.spec.syntax import ExpressionError
from factorgraph.structure import Cornerless, Function, Parameter, Parameters, Promise, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

MOMENTUM = 0.1  # of the newest batch in the running means
EPSILON = 1e-5  # added to variances
GAINS = {"relu": 2.0, "leaky_relu": 2.0, "tanh": 25 / 9}  # times the variance: rectifiers silence half the units, tanh flattens


class LayerString(str):
    """A layer string; ``item``: where it stands in the list that it comes from, one string for each slot."""

    item: tuple[int, ...] = ()


class _LayerStrings:
    """The annotation of ``layers``: one string, or the one of a list that belongs to the slot."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string"}
        return {"anyOf": [text, {"type": "array", "items": text}]}

    def _validate(self, written: Any, info: core_schema.ValidationInfo) -> LayerString:
        if isinstance(written, list | tuple):
            slots = tuple((getattr((info.context or {}).get("constants"), "slots", None) or {}).items())
            return self._of(written, slots)
        return self._checked(written, ())

    def _of(self, written: list[Any] | tuple[Any, ...], slots: tuple[tuple[str, int], ...]) -> LayerString:
        if not slots:
            fix = "give the function a per, or write one string"
            raise ExpressionError("FG339", "a list of layers has one string for each slot of an index", fix=fix).for_pydantic()
        index, slot = slots[0]
        if slot >= len(written):
            message = f"the list of layers ends before {index} = {slot}"
            raise ExpressionError("FG339", message, fix="one string for each slot").for_pydantic()
        return self._checked(written[slot], (slot,))

    def _checked(self, text: Any, item: tuple[int, ...]) -> LayerString:
        if not isinstance(text, str):
            message = f"layers are written as a text, such as (64)3c-2p-10fc; not {type(text).__name__}"
            wrong = ExpressionError("FG335", message, allowed=_layers.ALLOWED)
        else:
            try:
                _layers.read(text)
                made = LayerString(text)
                made.item = item
                return made
            except ExpressionError as error:
                wrong = error
        context = wrong.for_pydantic().context or {}
        raise Mistakes([Mistake(item, wrong.code, wrong.message, context, text)]).for_pydantic()


def _is_activation(name: str) -> str:
    try:
        cls = find("functions", name)
    except Mistakes as mistakes:
        raise mistakes.for_pydantic() from None
    assert issubclass(cls, Function), "the family holds functions"
    if cls.parameters is not Function.parameters or any(info.is_required() for info in cls.model_fields.values()):
        why = "it learns, or has options of its own"
    elif not cls.by_row or cls.learns_apart:
        why = "it does not map each row by itself, or does something else while learning"
    else:
        why = ""
    if why:
        message = f"{name} cannot stand behind the layers of a network: {why}"
        fix = f"apply it to the network: {{type: {name}}} as a function of its own"
        raise ExpressionError("FG336", message, allowed="relu, leaky_relu, tanh, sigmoid and their like", fix=fix).for_pydantic()
    return name


@cache
def _function(name: str) -> Function:
    found = find("functions", name)(type=name)
    assert isinstance(found, Function), "the family holds functions"
    return found


@dataclass(frozen=True)
class Link:
    """A layer in its place. ``behind``: the function that follows a layer that learns; ``activation``: the one applied here."""

    layer: Layer
    number: int  # from 1
    behind: str = ""
    activation: str = ""
    shifted: bool = False  # by the bn directly behind it


@cache
def _links(text: str, mirrored: bool, activation: str, last: str) -> tuple[Link, ...]:
    layers = _layers.read(text)
    layers = tuple(each.reversed() for each in reversed(layers)) if mirrored else layers
    places = [place for place, each in enumerate(layers) if each.kind in LEARNS]
    behind = {place: last if place == places[-1] else activation for place in places}
    shifted = {place for place in places if place + 1 < len(layers) and layers[place + 1].kind == "bn"}
    applied = {place + (place in shifted): name for place, name in behind.items() if name != "identity"}
    of = [(place + 1, behind.get(place, ""), applied.get(place, ""), place in shifted) for place in range(len(layers))]
    return tuple(Link(layer, *about) for layer, about in zip(layers, of, strict=True))


Activation = Annotated[str, AfterValidator(_is_activation)]


class Network(Function, Cornerless):
    r"""Passes its argument through a chain of layers, written as papers write it: ``(64)3c-2p-10fc``.

    .. math:: f(x) = l_n(\dots l_2(l_1(x)) \dots), \qquad l_i(x) = s_i(W_i * x + b_i)

    Layers are joined by hyphens. ``(64)3c`` convolves to 64 maps with kernels of 3x3, ``(64)5c2`` in steps of 2, ``(64)5d2`` is
    a transposed convolution; ``4p`` takes the largest of 4x4, ``2a`` their average, ``2u`` repeats each unit 2x2 times;
    ``10fc`` connects all to 10 units, ``(64)8x8fc`` to 64 maps of 8x8. The number of the last of c, d and fc may be left out.
    ``bn`` normalises each unit, or map, over the batch; behind a layer it comes before the activation, and its shift takes the
    bias's place. ``0.5drop`` silences half of the units.

    Promises: differentiable; without a corner where its activations have none and no layer takes the largest. While learning, bn
              uses the batch and drop draws; after it, bn uses running means and drop rests.
    Needs:    while learning, bn needs two samples. Sides are covered without a rest: a padding or stride that leaves one is told.
    Shapes:   x (batch, maps, height, width), (batch, height, width) as one map, or (batch, units) -> (batch, *result). A number
              is one unit.
              Padding *same*: a side over the stride; *valid*: only whole kernels; *full*: all that touch.
              Of layer n: matrix_n (outputs, inputs, rows, columns), of fc (*result, inputs); bias_n; of bn gain_n, shift_n and,
              kept, mean_n and variance_n.
    Source:   the notation of Zhao, Mathieu, Goroshin & LeCun, arXiv:1506.02351; Ioffe & Szegedy, arXiv:1502.03167, algorithm 1;
              Srivastava et al., JMLR 15, 2014, section 4; starts after He et al., arXiv:1502.01852, equation 10;
              spread after LeCun, Bottou, Orr & Muller, Neural Networks: Tricks of the Trade, 1998, section 4.6.
    """

    type: Literal["network"] = "network"
    layers: Annotated[LayerString, _LayerStrings()] | None = Field(
        default=None, description="the layers, joined by hyphens; a list of such strings is read per slot"
    )
    mirror: Reference | None = Field(
        default=None, description="instead of layers: a network, whose layers are reversed and transposed"
    )
    activation: Activation = Field(default="relu", description="the type of the function behind each c, d and fc but the last")
    last: Activation = Field(default="identity", description="the type of the function behind the last of them")
    padding: _convolve.Padding = Field(default="same", description="what c and d do at the border")
    width: Positive = Field(default=1.0, description="multiplies every number of maps or units that is given")
    init: Literal["auto", "spread"] | Positive = Field(
        default="auto",
        description="how the matrices start: a deviation; auto keeps the size of a signal; spread: evenly, and biases as well, "
        "within 1 over the root of the inputs, so that units bend at different places",
    )
    rate: Positive = Field(default=1.0, description="times the learning rate")

    learns_apart: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"layers": "(6)3c-5fc"},
        {"layers": "(2)2c-bn-2u-(3)3c2-0.4drop-(4)3x2fc", "activation": "tanh", "last": "sigmoid"},
        {"layers": "7fc-bn-fc", "activation": "leaky_relu"},
        {"layers": "7fc-fc", "last": "softmax"},
    )

    @model_validator(mode="after")
    def _one_source(self) -> Network:
        if (self.layers is None) == (self.mirror is None):
            raise ValueError("a network has layers, or the name of another whose mirror it is: give one of the two")
        if self.mirror is not None and (self.width != 1 or self.padding != "same"):
            raise ValueError("a mirror has the width and the padding of what it mirrors: leave them out")
        return self

    # --- a mirror --------------------------------------------------------------------------------------------------------------

    def template(self) -> str | None:
        return self.mirror

    def made_from(self, other: Function) -> Network:
        if not isinstance(other, Network) or other.mirror is not None:
            raise ShapeError(f"mirrors {self.mirror}, which is no network with layers of its own", ("mirror",))
        return self.model_copy(update={"layers": other.layers, "padding": other.padding, "width": other.width})

    @property
    def _chain(self) -> tuple[Link, ...]:
        """The layers in the order in which they are applied."""
        assert self.layers is not None, "whoever builds the graph gives a mirror its layers"
        return _links(str(self.layers), self.mirror is not None, self.activation, self.last)

    def keeps(self, promise: Promise) -> bool:
        if promise is not Cornerless:
            return super().keeps(promise)
        applied = (each.activation for each in self._chain if each.activation)
        return all(_function(name).keeps(Cornerless) for name in applied) and all(each.layer.kind != "p" for each in self._chain)

    def is_limited(self) -> bool:
        last = self._chain[-1].activation
        return bool(last) and _function(last).is_limited()

    def domain(self) -> str:
        last = self._chain[-1].activation
        return _function(last).domain() if last else "real"

    # --- sizes -----------------------------------------------------------------------------------------------------------------

    def shapes(self, given: Shape, wanted: Shape | None) -> list[Shape] | None:
        """The shape before each layer and after the last; ``None`` while a size is not known. Raises :class:`ShapeError`."""
        given = given or (1,)
        try:
            return self._forward_shapes(given, wanted) if self.mirror is None else self._mirrored_shapes(given, wanted)
        except ShapeError as error:
            item = () if self.layers is None or self.mirror is not None else self.layers.item
            raise ShapeError(str(error), (*error.path, *item), error.span) from None

    def _forward_shapes(self, given: Shape, wanted: Shape | None) -> list[Shape] | None:
        return _layers.shapes(_layers.read(str(self.layers)), given, wanted, self.padding, self.width)

    def _mirrored_shapes(self, given: Shape, wanted: Shape | None) -> list[Shape] | None:
        """What leads back to a shape goes through the shapes that lead away from it."""
        if not wanted:
            return None
        try:
            found = self._forward_shapes(wanted, given)
        except ShapeError as error:
            raise ShapeError(f"mirrors {self.mirror}, which {error}", ("mirror",)) from None
        if found is None or found[-1] != given:
            ends = f"{list(wanted)} to {'nothing' if found is None else list(found[-1])}, not to {list(given)}"
            raise ShapeError(f"mirrors {self.mirror}, which leads from {ends}", ("mirror",))
        return found[::-1]

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        found = self.shapes(given, wanted)
        return None if found is None else found[-1]

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        declared = self._declared(given, result)
        return {f"{name}_{link.number}": each for link, held in declared for name, each in held.items()}

    def counts(self, given: Shape, result: Shape) -> list[tuple[str, int]]:
        """Each layer with the number of its parameters, those that are kept left out."""
        return [
            (link.layer.text, sum(math.prod(each.shape) for each in held.values() if not each.kept))
            for link, held in self._declared(given, result)
        ]

    def _declared(self, given: Shape, result: Shape) -> Iterator[tuple[Link, dict[str, Parameter]]]:
        found = self.shapes(given, result or (1,))
        assert found is not None, "a result's shape tells every size"
        for link, (before, after) in zip(self._chain, pairwise(found), strict=True):
            yield link, self._parameters_of(link, before, after) if link.layer.kind in (*LEARNS, "bn") else {}

    def _parameters_of(self, link: Link, given: Shape, result: Shape) -> dict[str, Parameter]:
        layer = link.layer
        if layer.kind == "bn":
            units = given[:1] if len(given) in (1, 3) else (1,)
            still = {"gain": 1.0, "shift": 0.0}
            running = {"mean": 0.0, "variance": 1.0}
            return {name: Parameter(units, "constant", value, self.rate) for name, value in still.items()} | {
                name: Parameter(units, "constant", value, kept=True) for name, value in running.items()
            }
        if layer.kind == "fc":
            inputs = math.prod(given)
            read, matrix_of, biases = float(inputs), (*result, inputs), result
        else:
            outputs, inputs = (_layers.as_maps(layer, link.number, each)[0] for each in (result, given))
            read = inputs * layer.size**2 / (layer.stride**2 if layer.kind == "d" else 1)  # of one output, on average
            matrix_of, biases = (outputs, inputs, layer.size, layer.size), (outputs,)
        if self.init == "spread":
            matrix, bias = (Parameter(each, "uniform", read**-0.5, self.rate) for each in (matrix_of, biases))
        else:
            deviation = (GAINS.get(link.behind, 1.0) / read) ** 0.5 if self.init == "auto" else self.init
            matrix, bias = Parameter(matrix_of, "normal", deviation, self.rate), Parameter(biases, "constant", 0.0, self.rate)
        return {"matrix": matrix} | ({} if link.shifted else {"bias": bias})

    # --- mathematics -----------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return self._through(x, parameters, None)[0]

    def learn(self, x: Tensor, parameters: Parameters, random: torch.Generator) -> tuple[Tensor, Parameters]:
        return self._through(x, parameters, random)

    def _through(self, x: Tensor, parameters: Parameters, random: torch.Generator | None) -> tuple[Tensor, Parameters]:
        """The result and, while learning, which draws ``random`` numbers, the new running means."""
        kept: dict[str, Tensor] = {}
        x = x if x.dim() > 1 else x[:, None]
        for link in self._chain:
            if link.layer.kind == "bn":
                x = _normalised(x, link.number, parameters, None if random is None else kept)
            elif link.layer.kind == "drop":
                x = x if random is None else _thinned(x, 1 - link.layer.share, random)
            else:
                x = self._applied(link, x, parameters)
            x = _function(link.activation).forward(x, {}) if link.activation else x
        return x, kept

    def _applied(self, link: Link, x: Tensor, parameters: Parameters) -> Tensor:
        """What a layer does that is the same while learning and after it."""
        layer = link.layer
        matrix, bias = parameters.get(f"matrix_{link.number}"), parameters.get(f"bias_{link.number}")
        if layer.kind == "fc":
            assert matrix is not None, "a connected layer has a matrix"
            y = torch.nn.functional.linear(x.flatten(1), matrix.flatten(0, -2), None if bias is None else bias.flatten())
            return y.reshape(x.shape[0], *matrix.shape[:-1])
        x = x[:, None] if x.dim() == 3 else x
        if layer.kind == "p":
            return torch.nn.functional.max_pool2d(x, layer.size)
        if layer.kind == "a":
            return torch.nn.functional.avg_pool2d(x, layer.size)
        if layer.kind == "u":
            return x.repeat_interleave(layer.size, 2).repeat_interleave(layer.size, 3)
        assert matrix is not None, "a convolution has a matrix"
        if layer.kind == "c":
            return _convolve.convolved(x, matrix, bias, layer.stride, self.padding)
        _, back = _convolve.side_rules(layer.size, layer.stride, self.padding)
        sides = tuple(back(each) or 0 for each in x.shape[2:])
        return _convolve.spread(x, matrix.transpose(0, 1), bias, layer.stride, self.padding, sides)


def _normalised(x: Tensor, number: int, parameters: Parameters, kept: dict[str, Tensor] | None) -> Tensor:
    """By the running mean and variance; while learning, ``kept``, by the batch's own, which enter the running ones."""
    gain, shift, mean, variance = (parameters[f"{name}_{number}"] for name in ("gain", "shift", "mean", "variance"))
    if kept is None:
        return torch.nn.functional.batch_norm(x, mean.detach(), variance.detach(), gain, shift, eps=EPSILON)
    if x.numel() < 2 * gain.numel():
        raise ShapeError(f"normalises over the batch in layer {number}, and one sample has no deviation from itself")
    mean, variance = mean.detach().clone(), variance.detach().clone()
    y = torch.nn.functional.batch_norm(x, mean, variance, gain, shift, True, MOMENTUM, EPSILON)
    kept |= {f"mean_{number}": mean, f"variance_{number}": variance}
    return y


def _thinned(x: Tensor, stays: float, random: torch.Generator) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(stays, generator=random) / stays
