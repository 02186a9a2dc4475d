"""Whole pictures, each at its own size, by a run that learned from windows: codes, reconstructions and energies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compile import tiled
from factorgraph.compile.resized import at_size
from factorgraph.data import images
from factorgraph.data.inputs import Input, Picture, wholes
from factorgraph.errors import DataError, RunError, SpecError, address, issue
from factorgraph.inference.problem import OUT_OF_STEPS, SENTENCES
from factorgraph.inference.tiled import Tell, quiet
from factorgraph.lazy import np, torch
from factorgraph.run.files import atomic_write
from factorgraph.run.infer import first_procedure, reconstructions, save_arrays

if TYPE_CHECKING:
    from numpy import ndarray

    from factorgraph.compile.model import Model
    from factorgraph.compile.procedures import Found, Inference
    from factorgraph.run.run import Run


@dataclass(frozen=True)
class Coded:
    """What was inferred of one picture: ``arrays`` as ``infer`` writes them, and reconstructions by variable."""

    picture: Picture
    arrays: Mapping[str, ndarray]
    reconstructed: Mapping[str, ndarray]
    notes: tuple[str, ...]
    tile: int = 0
    tiles: int = 0

    def said(self) -> str:
        ended = SENTENCES[int(self.arrays["status"][0])] if not np.isnan(self.arrays["certificate"]).all() else "one pass"
        energy = f"energy {self.arrays['energy'][0]:.5g}"
        by = f"; by {self.tiles} tiles of {self.tile} x {self.tile} units" if self.tile else ""
        return f"{self.picture.name}: {self.picture.width} x {self.picture.height} pixels, {energy}, {ended}{by}"


def infer_wholes(
    run: Run, source: Path, output: Path, procedure: str | None, tile: int | None, tell: Tell = quiet
) -> Iterator[str]:
    """Infer each picture of an input as a whole; yields what there is to say of each.

    A file .npz or .png takes one picture, its arrays or its reconstruction; a folder gets both of each, under its name, and
    ``summary.json``. ``tile``: the side of tiles that searches go by; 0: none; left out: where units are too many at once.
    ``tell`` is told of every sweep over them.
    """
    ending, told = output.suffix.lower(), []
    if ending not in ("", ".npz", ".png"):
        raise DataError(issue("FG677", f"{output.name} has no ending that can be written", allowed=".npz, .png, or a folder"))
    for number, coded in enumerate(coded_wholes(run, source, procedure, tile, tell)):
        if ending and number:
            raise DataError(issue("FG677", f"{output.name} can hold one picture, and there are several", fix="name a folder"))
        _write(output, ending, coded)
        told.append(_summary(coded))
        yield from (coded.said(), *(f"note: {each}" for each in coded.notes))
    if not ending:
        summary = {"procedure": first_procedure(run, procedure), "pictures": told}
        atomic_write(output / "summary.json", json.dumps(summary, indent=1).encode())
    yield str(output)


def coded_wholes(run: Run, source: Path, procedure: str | None, tile: int | None, tell: Tell = quiet) -> Iterator[Coded]:
    """Each picture by itself: one is in memory at a time. Raises DataError FG521, SpecError FG329 or FG321, RunError FG660."""

    @cache
    def sized(names: tuple[str, ...], height: int, width: int) -> Model:
        return at_size(run.model, dict.fromkeys(names, (height, width)))

    for given in wholes(source, run.preparation):
        (picture,) = given.pictures
        try:
            model = sized(tuple(given.variables), picture.height, picture.width)
        except SpecError as error:
            what = f"{picture.name} is {picture.width} x {picture.height} pixels"
            raise SpecError([replace(each, notes=(*each.notes, what)) for each in error.issues]) from None
        told = partial(_of_picture, tell, picture.name)
        yield _coded(model, given, procedure, tile, run.device, told)


def _of_picture(tell: Tell, name: str, line: str) -> None:
    tell(f"{name}: {line}")


def _coded(model: Model, given: Input, procedure: str | None, tile: int | None, device: str, tell: Tell) -> Coded:
    values = {name: torch.from_numpy(np.ascontiguousarray(each)).to(device) for name, each in given.variables.items()}
    with torch.no_grad():
        known: dict[str, Any] = model.with_noise(model.assign(values))
        names = model.sequence(procedure, known)
        model, side, many = _by_tiles(model, names, tile, tell)
        found = model.run(names, known, model.inferences)
        known |= {key: each for one in found.values() for key, each in one.values.items()}
        solution = model.conclude(names[0] if names else "", known, found.values())
        made = reconstructions(model.graph)
        shown = model.program.values(tuple(made.values()), known, model.in_use())
    arrays = {f"variable/{key}": each for key, each in solution.variables.items()}
    arrays |= {f"share/{key}": each for key, each in solution.shares.items()}
    arrays |= {"energy": solution.energy, "status": solution.status}
    arrays |= {"steps": solution.steps, "certificate": solution.certificate}
    arrays |= {f"reconstruction/{name}": shown[key] for name, key in made.items() if name in given.variables}
    plain = {key: each.cpu().numpy() for key, each in arrays.items()}
    back = {name: given.assemble(name, plain[f"reconstruction/{name}"])[0] for name in made if name in given.variables}
    notes = (*given.notes, *(_unfinished(model.inferences[name], each) for name, each in found.items()))
    return Coded(given.pictures[0], plain, back, tuple(filter(None, notes)), side, many)


def _unfinished(inference: Inference, found: Found) -> str:
    """What is to be said of a search that ended before it was sure; empty of any other."""
    if found.status is None or found.certificate is None or int(found.status[0]) != OUT_OF_STEPS:
        return ""
    asked, steps = (getattr(inference.method, each) for each in ("tolerance", "steps"))
    more = f"more {address(('inference', inference.plan.name, 'steps'))} (now {steps})"
    fix = f"larger tiles, or {more}" if inference.tiling is not None else more
    return f"{inference.plan.id} ended {float(found.certificate[0]):.2g} from the minimum, where {asked:g} is asked: {fix}"


def _by_tiles(model: Model, names: tuple[str, ...], tile: int | None, tell: Tell) -> tuple[Model, int, int]:
    """The model whose searches go by tiles, where they are to; the largest side, and how many tiles. RunError FG660."""
    largest, many, why = 0, 0, "there is no search"
    for name in names:
        block = model.inferences[name].block
        if tile and (refusal := tiled.untileable(block)):
            why = refusal
            continue
        if tile and tile < (least := tiled.narrowest(block)):
            what = f"tiles of {tile} x {tile} units are mostly border"
            raise RunError(issue("FG660", what, fix=f"--tile {least}, four kernels, or more"))
        side = tiled.side_for(block) if tile is None else tile
        if side:
            model = model.tiled(name, tiled.Tiling(side, tell))
            largest, many = max(largest, side), many + tiled.count(block, side)
    if tile and not largest:
        raise RunError(issue("FG660", f"the picture cannot be coded tile by tile: {why}", fix="leave out --tile"))
    return model, largest, many


def _write(output: Path, ending: str, coded: Coded) -> None:
    if ending == ".npz":
        save_arrays(output, coded.arrays)
        return
    if ending == ".png":
        if len(coded.reconstructed) != 1:
            raise DataError(issue("FG677", f"there are {len(coded.reconstructed)} pictures to write", fix="name a folder"))
        atomic_write(output, images.to_bytes(next(iter(coded.reconstructed.values()))))
        return
    output.mkdir(parents=True, exist_ok=True)
    stem = Path(coded.picture.name).stem
    save_arrays(output / f"{stem}.npz", coded.arrays)
    for name, image in coded.reconstructed.items():
        atomic_write(output / f"{stem}-{name}.png", images.to_bytes(image))


def _summary(coded: Coded) -> dict[str, Any]:
    shares = {key.removeprefix("share/"): float(each[0]) for key, each in coded.arrays.items() if key.startswith("share/")}
    size = {"height": coded.picture.height, "width": coded.picture.width, "tile": coded.tile}
    ended = SENTENCES[int(coded.arrays["status"][0])]
    return {"file": coded.picture.name, **size, "energy": float(coded.arrays["energy"][0]), "shares": shares, "ends": ended}
