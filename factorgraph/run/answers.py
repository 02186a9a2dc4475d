"""Answers written where the user says: arrays, a summary, and every variable that is a picture as one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.data import images
from factorgraph.errors import DataError, issue
from factorgraph.inference.problem import SENTENCES, in_samples
from factorgraph.lazy import np
from factorgraph.run.files import atomic_write
from factorgraph.run.infer import reconstructions, save_arrays
from factorgraph.run.sheets import beside, columns_for, sheet

if TYPE_CHECKING:
    from numpy import ndarray

    from factorgraph.data.inputs import Input
    from factorgraph.run.asking import Answered
    from factorgraph.run.run import Run

MOST_SHOWN = 100  # samples on one sheet
MOST_PIXELS = 4_000_000  # of pictures that are put on one
MOST_LISTED = 50  # lines of a table


def write(run: Run, answered: Answered, output: Path, across: int = 0) -> Iterator[str]:
    """Write ``output`` as infer does: an .npz with every array, a .png, or a folder with both and ``summary.json``.

    ``across``: how many samples a step of an interpolation has; a row of the sheet is then one sample's way. Yields what there is
    to say.
    """
    ending = output.suffix.lower()
    if ending not in ("", ".npz", ".png"):
        raise DataError(issue("FG677", f"{output.name} has no ending that can be written", allowed=".npz, .png, or a folder"))
    pictures, notes = ({}, []) if ending == ".npz" else _pictures(run, answered, across)
    if ending == ".npz":
        save_arrays(output, _arrays(answered))
    elif ending == ".png":
        if len(pictures) != 1:
            what = f"there are {len(pictures)} pictures to write" if pictures else "nothing of the answer is a picture"
            raise DataError(
                issue("FG677", f"{output.name} can hold one picture, and {what}", fix="name a folder, or a file .npz")
            )
        atomic_write(output, images.to_bytes(next(iter(pictures.values()))))
    else:
        output.mkdir(parents=True, exist_ok=True)
        save_arrays(output / "inferred.npz", _arrays(answered))
        for name, image in pictures.items():
            atomic_write(output / f"{name}.png", images.to_bytes(image))
        atomic_write(output / "summary.json", json.dumps(_summary(run, answered, notes), indent=1).encode())
    counts = np.bincount(answered.status, minlength=len(SENTENCES))
    searched = not np.isnan(answered.certificate).all()
    ends = ", ".join(f"{count} {word}" for count, word in zip(counts, SENTENCES, strict=True) if count)
    ends = ends if searched else "nothing was searched"
    yield f"{in_samples(len(answered.energy))}: mean energy {answered.energy.mean():.5g}; {ends}"
    yield from (f"planned for this question: {each}" for each in answered.plans)
    yield from table(run, answered)
    yield from (f"note: {each}" for each in (*answered.notes, *notes))
    yield str(output)


def _arrays(answered: Answered) -> dict[str, ndarray]:
    found = {f"variable/{key}": each for key, each in answered.variables.items()}
    found |= {f"share/{key}": each for key, each in answered.shares.items()}
    found |= {name: getattr(answered, name) for name in ("energy", "status", "steps", "certificate")}
    found |= {"files": np.array(answered.files)} if answered.files else {}
    return found if answered.mask is None else {**found, f"mask/{answered.masked}": answered.mask}


def _summary(run: Run, answered: Answered, notes: list[str]) -> dict[str, Any]:
    return {
        "samples": len(answered.energy),
        "energy": float(answered.energy.mean()),
        "shares": {key: float(each.mean()) for key, each in answered.shares.items()},
        **({"files": list(answered.files)} if answered.files else {}),
        "labels": _labels(run, answered),
        "energies": answered.energy.tolist(),
        "planned": list(answered.plans),
        "notes": [*answered.notes, *notes],
    }


def _labels(run: Run, answered: Answered) -> dict[str, list[int]]:
    """By observed variable that is a choice: what was chosen in each row, given or inferred."""
    known = run.model.graph.variables
    names = [key for key in answered.variables if known[key].domain == "one_hot" and known[key].kind == "observed"]
    return {key: answered[key].reshape(len(answered.energy), -1).argmax(1).tolist() for key in names}


def table(run: Run, answered: Answered) -> Iterator[str]:
    """Of each sample its file, or its number, its labels and its energy; of pictures in many pieces the mean energy alone."""
    files, labels, energy = answered.files, _labels(run, answered), answered.energy
    if len(energy) == 1:
        yield from (f"{key}: {each[0]}" for key, each in labels.items())
    if len(energy) == 1 or not (files or labels):
        return
    if len(set(files)) < len(files):
        whose = np.array(files)
        lines = [["file", "samples", "energy"]]
        lines += [
            [each, str((whose == each).sum()), f"{energy[whose == each].mean():.5g}"] for each in list(dict.fromkeys(files))
        ]
    else:
        lines = [["file" if files else "sample", *labels, "energy"]]
        names = files or [str(row) for row in range(len(energy))]
        lines += [[name, *(str(each[row]) for each in labels.values()), f"{energy[row]:.5g}"] for row, name in enumerate(names)]
    widths = [max(map(len, column)) for column in zip(*lines[: MOST_LISTED + 1], strict=True)]
    for line in lines[: MOST_LISTED + 1]:
        yield "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
    if (more := len(lines) - 1 - MOST_LISTED) > 0:
        yield f"and {more} more, which are in what is written"


# --- pictures ------------------------------------------------------------------------------------------------------------------


def _pictures(run: Run, answered: Answered, across: int) -> tuple[dict[str, ndarray], list[str]]:
    """By file name: of what was read as pictures the result at the picture's size, of anything else a sheet of samples."""
    found: dict[str, ndarray] = {}
    notes: list[str] = []
    made = reconstructions(run.model.graph)
    for name in answered.variables:
        given = answered.inputs.get(name)
        if given is not None and given.pictures and not across:
            values = answered[name] if name == answered.masked else _computed(run, answered, made.get(name))
            if values is not None:
                single = _assembled(answered, given, name, values)
                found |= single
                if _fit_one_sheet(list(single.values())) and len(answered.files) == len(single):
                    words = _words(run, answered, len(single))
                    found[name] = sheet(list(single.values()), words, columns_for(len(single)))
        elif name in run.preparation.bind and (drawn := _sheet(run, answered, name, across, notes)) is not None:
            found[name] = drawn
    return found, notes


def _fit_one_sheet(pictures: list[ndarray]) -> bool:
    alike = len({each.shape for each in pictures}) == 1
    return alike and 1 < len(pictures) <= MOST_SHOWN and sum(each.size for each in pictures) <= MOST_PIXELS


def _computed(run: Run, answered: Answered, key: str | None) -> ndarray | None:
    """A value of the graph for what was answered."""
    from factorgraph.lazy import torch

    if key is None:
        return None
    given = {name: torch.from_numpy(each).to(run.device) for name, each in answered.variables.items()}
    if not run.model.computable(key, given):
        return None
    found: ndarray = run.model.evaluate((key,), **given)[key].detach().cpu().numpy()
    return found


def _assembled(answered: Answered, given: Input, name: str, values: ndarray) -> Mapping[str, ndarray]:
    """One picture each; of what was known in part input, mask and result side by side."""
    raw = given.undo(name, values)
    if name != answered.masked or answered.mask is None or given.raw is None:
        return {f"{Path(one.name).stem}-{name}": image for one, image in zip(given.pictures, given.together(raw), strict=True)}
    known = answered.mask
    result = completed(raw, given.raw, known)
    parts = zip(
        given.pictures, *(given.together(each) for each in (np.where(known, given.raw, 0.5), known * 1.0, result)), strict=True
    )
    return {f"{Path(one.name).stem}-{name}": beside(images_) for one, *images_ in parts}


def completed(raw: ndarray, given: ndarray, known: ndarray) -> ndarray:
    """What was inferred where nothing was known, and what was known elsewhere.

    A preparation that takes a sample's mean away took it of a first guess: the level follows from what is known.
    """
    axes = tuple(range(1, raw.ndim))
    level = ((given - raw) * known).sum(axes, keepdims=True) / np.maximum(known.sum(axes, keepdims=True), 1)
    return np.where(known, given, raw + level)


def _sheet(run: Run, answered: Answered, name: str, across: int, notes: list[str]) -> ndarray | None:
    """Samples of a variable as pictures on a sheet; ``None`` where they are none."""
    preparation = run.preparation
    chain = preparation.chain_of(name)
    if chain is None or len(chain.shape) not in (2, 3) or (len(chain.shape) == 3 and chain.shape[0] not in (1, 3)):
        return None
    values = answered[name].reshape(-1, *chain.prepared_shape)
    raw = None if any(chain.apply(np.zeros((1, *chain.shape)))[1]) else chain.undo(values, {})
    if raw is None:
        shown = chain.pixels(values)
        raw = 0.5 + shown / (2 * np.maximum(np.abs(shown).max(tuple(range(1, shown.ndim)), keepdims=True), 1e-12))
        notes.append(
            f"{name} was not cut from a picture, and its preparation is not undone: it is shown around grey, each at its scale"
        )
    raw = raw[:, 0] if raw.ndim == 4 and raw.shape[1] == 1 else raw
    if not across:
        shown_ = list(raw[:MOST_SHOWN])
        return sheet(shown_, _words(run, answered, len(shown_)), columns_for(len(shown_)))
    steps, ways = len(raw) // across, min(across, 10)
    places = [(step, way) for way in range(ways) for step in range(steps)]
    words = [[*([f"sample {way}"] if across > 1 else []), f"step {step}"] for step, way in places]
    return sheet([raw[step * across + way] for step, way in places], words, steps)


def _words(run: Run, answered: Answered, count: int) -> list[list[str]]:
    """What stands below the first samples: of which file each is, or its number, and its labels."""
    names = [Path(each).stem for each in answered.files] or [f"sample {row}" for row in range(len(answered.energy))]
    labels = [[f"{key} {each[row]}" for key, each in _labels(run, answered).items()] for row in range(count)]
    return [[*([name] if len(names) > 1 else []), *below] for name, below in zip(names, labels, strict=False)]
