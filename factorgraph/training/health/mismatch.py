"""How well an encoder knows the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.compile.dependence import origin
from factorgraph.graph.drawing import words
from factorgraph.lazy import torch
from factorgraph.spec.constants import NonNegative
from factorgraph.structure import Square
from factorgraph.training.health._base import HealthLeaf, Shown, Step, codes

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.graph.model import Id
    from factorgraph.training.objective import Batch
    from factorgraph.training.sides import Stretch


class Mismatch(HealthLeaf):
    r"""An encoder that predicts worse than zeros would, pulls codes away from where they belong.

    .. math:: \sum_Y \lVert Z(Y) - \mathrm{Enc}(Y) \rVert^2 \,/\, \sum_Y \lVert Z(Y) \rVert^2

    Of a factor that compares a latent variable with a prediction by its square, and of a procedure beside another one that infers
    the same latent variable: the relative error of the prediction.

    Healthy:  at most 1, which is what a prediction of zeros has.
    Remedy:   a larger ``rate`` of the encoder, a smaller weight of the comparison at first, or another activation.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, the prediction term.
    """

    type: Literal["mismatch"] = "mismatch"
    title: ClassVar[str] = "relative error of predicted codes"
    at_most: NonNegative = Field(default=1.0, description="the squared error, relative to the square of the code")

    def see(self, step: Step) -> Shown:
        known = dict(codes(step.batch))
        squares = {key: code.square().sum() for key, code in known.items()}
        shown = {name: torch.stack([error, squares[key]]) for name, key, error in _by_factors(step.batch) if key in known}
        for name, found in step.batch.found.items():
            for key, code in found.values.items():
                if code.detach().data_ptr() != known[key].data_ptr():
                    shown[name] = torch.stack([(code.detach() - known[key]).square().sum(), squares[key]])
        return shown

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return {key: each[0] / each[1].clamp_min(torch.finfo(each.dtype).tiny) for key, each in shown.items()}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        graph, code = stretch.view.graph, "the code"
        made = f"what {subject} infers"
        if (key := stretch.view.predictions.get(subject)) is not None:
            (there,) = (each for each in graph.factors[subject].arguments if origin(graph, each) != key)
            made, code = words.text(graph, there), words.variable_name(graph.variables[key])
        beyond = "zeros are" if value > 1 else "it may be"
        told = f"{made} is further from {code} than {beyond} ({value:.2g} of its squared length)"
        return f"{told}: train longer, or give the encoder a larger rate"


def _by_factors(batch: Batch) -> Iterator[tuple[str, Id, Tensor]]:
    """Factors that compare a latent variable with what is predicted of it: id, variable, the squared error of the batch."""
    view = batch.view
    for name, key in view.predictions.items():
        leaf = view.graph.factors[name].leaf
        if name in batch.shares:
            assert isinstance(leaf, Square), "predictions are compared by squares"
            half = view.program.weight(name, view.model.tensors()) * leaf.curvature({}) / 2
            yield name, key, batch.shares[name].detach().sum() / half
