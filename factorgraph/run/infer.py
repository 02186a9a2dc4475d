"""A trained model on a user's own pictures and arrays: codes, reconstructions and energies, written where the user says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compile.lacking import touched_by
from factorgraph.compile.later import predicted
from factorgraph.data import images
from factorgraph.data.inputs import Input, input_in_pieces
from factorgraph.errors import DataError, issue
from factorgraph.graph.model import Application, Constant, Graph, Id, Variable
from factorgraph.inference.problem import SENTENCES, in_samples
from factorgraph.lazy import np, torch
from factorgraph.run.files import atomic_stream, atomic_write
from factorgraph.run.growing import Growing
from factorgraph.run.labels import predict, predictable
from factorgraph.structure import Selection

if TYPE_CHECKING:
    from numpy import ndarray

    from factorgraph.run.run import Run

ROWS_AT_ONCE = 1000


def infer(run: Run, source: Path, output: Path, procedure: str | None) -> Iterator[str]:
    """Infer for an input and write ``output``; yields what there is to say.

    A file .npz holds everything: each variable, the numbers of labels that are predicted, ``energy``, ``status``, ``steps`` and
    each factor's share; there is no energy where every factor reads what the input lacks. A file .png is the
    reconstruction of one picture; anything else is a folder that gets both, a .png for each picture, and ``summary.json``.
    """
    if output.suffix.lower() not in ("", ".npz", ".png"):
        raise DataError(issue("FG677", f"{output.name} has no ending that can be written", allowed=".npz, .png, or a folder"))
    with Growing(output) as arrays:
        for given in input_in_pieces(source, run.preparation, ROWS_AT_ONCE):
            for found in _inferred(run, given, procedure):
                arrays.add(found)
        if not arrays:
            raise DataError(issue("FG677", f"there is no sample in {source}"))
        _write(run, given, arrays, output, procedure)
        yield f"{in_samples(len(arrays['status']))}: {_energy_in_words(arrays)}; {_ends(arrays)}"
        yield from labels_in_words(arrays, given)
    yield from (f"note: {each}" for each in given.notes)
    yield str(output)


def _write(run: Run, given: Input, arrays: Growing, output: Path, procedure: str | None) -> None:
    """``given``: all pictures, or the last piece of what is none."""
    beside, ending = {"files": np.array(given.files)} if given.files else {}, output.suffix.lower()
    if ending == ".npz":
        arrays.save(output, beside)
        return
    shown = [name for name in reconstructions(run.model.graph) if name in given.variables]  # not a label
    pictures = {name: given.assemble(name, arrays[f"reconstruction/{name}"]) for name in shown if given.pictures}
    if ending == ".png":
        _save_only_picture(output, pictures, given)
        return
    output.mkdir(parents=True, exist_ok=True)
    arrays.save(output / "inferred.npz", beside)
    for name, found in pictures.items():
        for picture, image in zip(given.pictures, found, strict=True):
            atomic_write(output / f"{Path(picture.name).stem}-{name}.png", images.to_bytes(image))
    atomic_write(output / "summary.json", json.dumps(_summary(run, given, arrays, procedure), indent=1).encode())


def reconstructions(graph: Graph) -> dict[str, Id]:
    """For each observed variable: the value, computed through a latent one, that a factor compares it with first.

    Where both are seen through one selection, as a crop, they are what is behind it: all of the picture.
    """
    latent = frozenset(each.id for each in graph.of_kind("latent"))
    found: dict[str, Id] = {}
    for factor in graph.factors.values():
        if len(factor.arguments) != 2:
            continue
        ends = _unselected(graph, *factor.arguments)
        for one, other in (ends, ends[::-1]):
            variable, value = graph.values[one], graph.values[other]
            computed = not isinstance(value, Constant) and (not latent or graph.depends(other, latent))
            if isinstance(variable, Variable) and variable.kind == "observed" and not variable.slots and computed:
                found.setdefault(variable.id, other)
    return found


def _unselected(graph: Graph, one: Id, other: Id) -> tuple[Id, Id]:
    """What a factor compares, without selections that both sides have in common."""
    a, b = graph.values[one], graph.values[other]
    while isinstance(a, Application) and isinstance(b, Application) and (a.function, a.method) == (b.function, b.method):
        if a.method != "forward" or not graph.functions[a.function].leaf.keeps(Selection) or len(a.arguments) > 1:
            break
        a, b = graph.values[a.arguments[0]], graph.values[b.arguments[0]]
    return a.id, b.id


def _inferred(run: Run, given: Input, procedure: str | None) -> Iterator[dict[str, ndarray]]:
    """What is found for some rows after the others."""
    model, made = run.model, reconstructions(run.model.graph)
    later = {model.graph.variables[key].name for key in predicted(model.graph)}
    # rows without them were learned from, so that factors that touch them do not count
    lacking = run.lacked - given.variables.keys() - later
    seen = [key for key in model.graph.factors if not touched_by(model.graph, key, lacking)]
    for begin in range(0, given.rows, ROWS_AT_ONCE):
        values = {
            name: torch.from_numpy(np.ascontiguousarray(each[begin : begin + ROWS_AT_ONCE])).to(run.device)
            for name, each in given.variables.items()
        }
        like = next(iter(values.values()))
        nothing = {name: like.new_zeros(len(like), *model.graph.sample_shapes[name]) for name in lacking}
        with torch.no_grad():
            solution = model.infer(procedure=procedure, **values, **nothing)
            shown = model.evaluate(tuple(made.values()), **solution.variables)
        shares = {key: solution.shares[key] for key in seen if key in solution.shares}
        found = {f"variable/{key}": each for key, each in solution.variables.items() if key not in lacking}
        found |= {f"reconstruction/{name}": shown[key] for name, key in made.items()}
        found |= {f"share/{key}": each for key, each in shares.items()}
        for label in (each for each in predictable(model.graph) if each.id not in solution.variables):
            with torch.no_grad():
                found[f"predicted/{label.id}"] = predict(model, label, solution.variables)
        if shares or not lacking:
            found["energy"] = torch.stack(list(shares.values())).sum(0) if lacking else solution.energy
        found |= {
            "status": solution.status,
            "steps": solution.steps,
            "certificate": solution.certificate,
        }
        yield {key: each.cpu().numpy() for key, each in found.items()}


def save_arrays(path: Path, arrays: Mapping[str, ndarray]) -> None:
    named: dict[str, Any] = {key.replace("/", "."): each for key, each in arrays.items()}
    with atomic_stream(path, sum(each.nbytes for each in arrays.values())) as stream:
        np.savez_compressed(stream, **named)


def _save_only_picture(path: Path, pictures: Mapping[str, tuple[ndarray, ...]], given: Input) -> None:
    found = [image for each in pictures.values() for image in each]
    if len(found) != 1:
        what = "the input is no picture" if not given.pictures else f"there are {len(found)} pictures to write"
        raise DataError(issue("FG677", f"{path.name} can hold one picture, and {what}", fix="name a folder, or a file .npz"))
    atomic_write(path, images.to_bytes(found[0]))


def labels_in_words(arrays: Mapping[str, ndarray], given: Input) -> Iterator[str]:
    """What the labels that were not given are taken to be: of one sample, or how many of each."""
    for name, found in _predicted(arrays).items():
        counts = ", ".join(f"{int((found == each).sum())} x {each}" for each in np.unique(found))
        yield f"{name}: {found[0]}" if len(found) == 1 else f"{name}: {counts}"
        if len(found) > 1 and len(set(given.files)) == len(found):  # not of windows of one picture
            yield from (f"  {file}: {each}" for file, each in zip(given.files, found, strict=True))


def _predicted(arrays: Mapping[str, ndarray]) -> dict[str, ndarray]:
    return {key.removeprefix("predicted/"): arrays[key] for key in arrays if key.startswith("predicted/")}


def first_procedure(run: Run, procedure: str | None) -> str | None:
    """The procedure that is named, or the one that runs where none is."""
    return procedure or next(iter(run.model.inferences), None)


def _summary(run: Run, given: Input, arrays: Mapping[str, ndarray], procedure: str | None) -> dict[str, Any]:
    shares = {key.removeprefix("share/"): float(arrays[key].mean()) for key in arrays if key.startswith("share/")}
    return {
        "procedure": first_procedure(run, procedure),
        "samples": len(arrays["status"]),
        "files": list(given.files),
        "energy": float(arrays["energy"].mean()) if "energy" in arrays else None,
        "shares": shares,
        "ends": _ends(arrays),
        "labels": {name: each.tolist() for name, each in _predicted(arrays).items()},
    }


def _energy_in_words(arrays: Mapping[str, ndarray]) -> str:
    return f"mean energy {arrays['energy'].mean():.5g}" if "energy" in arrays else "no energy, every factor reads what is lacking"


def _ends(arrays: Mapping[str, ndarray]) -> str:
    if np.isnan(arrays["certificate"]).all():
        return "one pass, nothing was searched"
    counts = np.bincount(arrays["status"], minlength=len(SENTENCES))
    return ", ".join(f"{count} {sentence}" for count, sentence in zip(counts, SENTENCES, strict=True) if count)
