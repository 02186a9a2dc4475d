"""A procedure as a program that needs no factorgraph: torch's own format, or ONNX. Batches of any size."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from factorgraph.compile.network import GROUP_THRESHOLD, LENGTHS, MATRICES
from factorgraph.compile.procedures import Procedure
from factorgraph.errors import RunError, issue
from factorgraph.graph.model import Application, Id
from factorgraph.inference.methods._matrix import Layered
from factorgraph.spec.references import standing_for
from factorgraph.structure import Proximal

if TYPE_CHECKING:
    from factorgraph.compile.model import Model
    from factorgraph.compile.procedures import Inference
    from factorgraph.compile.program import Tensors

INSTALL = 'pip install "factorgraph-ebm[onnx]"'
ROWS = 3  # of the batch that is traced: any number but 1, which torch takes for a constant


class Exported(nn.Module):
    """What some procedures infer, one after the other: tensors in, tensors out, and no more parameters than they need."""

    def __init__(self, model: Model, inferences: Mapping[str, Inference]):
        super().__init__()
        self.inferences = inferences
        read = model.graph.leading_to(key for each in inferences.values() for key in _reads(each))
        self.outputs = tuple(key for each in inferences.values() for key in each.plan.block)
        free = (key for key, each in model.graph.variables.items() if key in read and each.definition is None)
        self.inputs = tuple(key for key in free if key not in self.outputs)
        self.shapes = {key: model.graph.variables[key].shape for key in self.inputs}
        self.places: dict[str, dict[str, str]] = {}
        for owner, tensors in _needed(model, inferences, read).items():
            self.places[owner] = {name: plain(f"{owner}.{name}") for name in tensors}
            for name, each in tensors.items():
                self.register_buffer(self.places[owner][name], each.detach().clone())

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """(batch, *shape) of each input -> of each output."""
        known = dict(zip(self.inputs, values, strict=True))
        tensors = {
            owner: {name: self.get_buffer(place) for name, place in places.items()} for owner, places in self.places.items()
        }
        for each in self.inferences.values():
            found = each.method.infer(Procedure(each, known, tensors)).values
            known |= {key: found[key] for key in each.plan.block}
        return tuple(known[key] for key in self.outputs)


def exported(model: Model, procedure: str | None) -> Exported:
    """A procedure of a model, and those that it waits for, as a module. Raises :class:`RunError` FG620, FG690.

    What is given in training only is not asked for.
    """
    if not model.inferences:
        latent = next(iter(model.graph.of_kind("latent")), None)
        fix = _nearest(latent.id) if latent is not None else "give it a latent variable, and a way to infer that"
        raise RunError(issue("FG690", "there is nothing to export: the spec has no procedure", fix=fix))
    procedure = procedure or next(iter(model.inferences.values())).plan.name
    given = [key for key, each in model.graph.variables.items() if each.kind in ("observed", "noise")]
    names = model.sequence(procedure, given, needed=())
    chosen = standing_for(procedure, model.inferences)
    covered = [key for name in chosen for key in model.inferences[name].plan.block]
    if len(set(covered)) < len(covered):
        what = f'"{procedure}" is several ways to infer {covered[0]}, and a program is one'
        raise RunError(issue("FG690", what, allowed=", ".join(chosen), fix=f'--procedure "{chosen[0]}"'))
    for name in names:
        if why := _refused(model.inferences[name]):
            able = [key for key, each in model.inferences.items() if not _refused(each)]
            nearest = f'--procedure "{able[0]}"' if able else _nearest(model.inferences[name].plan.block[0])
            raise RunError(issue("FG690", f'"{name}" cannot be exported: {why}', allowed=", ".join(able), fix=nearest))
    return Exported(model, {name: model.inferences[name].later or model.inferences[name] for name in names})


def as_torch(module: Exported) -> bytes:
    """A program of ``torch.export``: ``torch.export.load(FILE).module()`` runs it."""
    samples, shapes = _samples(module)
    with torch.no_grad(), _quiet():
        program = torch.export.export(module, samples, dynamic_shapes=shapes)
        held = BytesIO()
        torch.export.save(program, held)
    return held.getvalue()


def as_onnx(module: Exported) -> bytes:
    """An ONNX model. Raises :class:`RunError` FG691 where the libraries that write one are not installed."""
    try:
        import onnx  # noqa: F401  torch writes through both, and says less where they lack
        import onnxscript  # noqa: F401
    except ImportError:
        raise RunError(issue("FG691", "onnx and onnxscript, which write such a file, are not installed", fix=INSTALL)) from None
    samples, shapes = _samples(module)
    inputs, outputs = ([plain(key) for key in keys] for keys in (module.inputs, module.outputs))
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module, samples, dynamic_shapes=shapes, input_names=inputs, output_names=outputs, dynamo=True, verbose=False
        )
    assert program is not None, "the exporter that traces gives a program"
    written: bytes = program.model_proto.SerializeToString()
    return written


def plain(key: str) -> str:
    """An id as a name of other programs: letters, digits and ``_``."""
    return re.sub(r"\W+", "_", key).strip("_")


def _samples(module: Exported) -> tuple[tuple[Tensor, ...], Any]:
    """What is traced, and which of its axes may have any length."""
    batch = torch.export.Dim("batch", min=1)
    samples = tuple(torch.zeros(ROWS, *shape) for shape in module.shapes.values())
    return samples, (tuple({0: batch} for _ in samples),)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say to those who write exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reads(inference: Inference) -> set[Id]:
    """The values that a procedure goes by: what it is made of, or where it starts and what stands beside it."""
    found = {each for field in inference.reads.values() for each in field.values()}
    return found if inference.network is None else found | set(inference.block.still)


def _needed(model: Model, inferences: Mapping[str, Inference], read: frozenset[Id]) -> Tensors:
    """The parameters that inference reads: those of functions on the way, and a solver's matrices, written down."""
    held = model.tensors()
    values = (model.graph.values[key] for key in read)
    owners = {f"functions.{each.function}" for each in values if isinstance(each, Application)}
    owners |= {f"factors.{term.factor}" for each in inferences.values() for term in each.block.rest}
    found = {owner: each for owner, each in held.items() if owner in owners}
    solvers = {f"inference.{name}": _matrices(each, model) for name, each in inferences.items() if each.network is not None}
    return {**found, **solvers}


def _matrices(inference: Inference, model: Model) -> Mapping[str, Tensor]:
    """All matrices of an unrolled solver as they are now: its own where it has learned some, the energy's where not."""
    network, method = inference.network, inference.method
    assert network is not None and isinstance(method, Layered), "only what is unrolled has matrices"
    own = model.in_use().get(f"inference.{inference.plan.id}", {})
    names = (*MATRICES, *([GROUP_THRESHOLD] if network.groups else []))
    made = network.own(names, next(model.parameters()), model.in_use())
    made = {name: each for name, each in made.items() if name not in own}
    if method.share == "none":
        made = {name: each if name == LENGTHS else each.expand(method.steps, *each.shape) for name, each in made.items()}
    return {**made, **own}


def _refused(inference: Inference) -> str:
    """Why a procedure is no fixed sequence of operations; empty where it is."""
    if inference.plan.method == "amortized":
        return ""
    if inference.network is None:
        return f"{inference.plan.method} is no fixed sequence of operations"
    if not inference.network.inputs:
        return "its steps read nothing that changes from sample to sample"
    leaves = [inference.block.program.graph.factors[term.factor].leaf for term in inference.block.rest]
    joint = [each.type for each in leaves if not (isinstance(each, Proximal) and each.separable)]
    return f"{joint[0]} shrinks units together" if joint and not inference.network.groups else ""


def _nearest(variable: Id) -> str:
    return (
        f"learn an encoder, {{method: amortized, of: {variable}, by: encoder(...)}}, "
        f"or some steps of a solver, {{method: unrolled, of: {variable}, solver: ista, steps: 10}}"
    )
