"""A user's own pictures and arrays as a model's variables, and reconstructions as pictures of the input's size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from factorgraph.data import arrays, images, patches, paths
from factorgraph.data.bounds import check_size
from factorgraph.data.model import Geometry
from factorgraph.data.pool import LABEL
from factorgraph.data.preparation import Preparation
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept


@dataclass(frozen=True)
class Picture:
    """One picture of the input and the corners (patches, 2) at which it was cut, top and left; ``file``: its size as it came."""

    name: str
    height: int
    width: int
    corners: Array
    file: tuple[int, int] = (0, 0)
    see_through: bool = False
    lost_colour: bool = False


@dataclass(frozen=True)
class Input:
    """What a user gave, as a model takes it.

    ``variables``: name -> (rows, *shape) float32, prepared as in training. ``pictures``: what the rows were cut from, in order;
    none for arrays. ``kept``: what the preparation remembers of each row, by variable; none where an array came prepared.
    """

    variables: Mapping[str, Array]
    pictures: tuple[Picture, ...]
    kept: Mapping[str, Kept]
    preparation: Preparation
    raw: Array | None = None  # of pictures: the samples before they were prepared

    @property
    def rows(self) -> int:
        return len(next(iter(self.variables.values())))

    @property
    def files(self) -> tuple[str, ...]:
        """The name of the picture that each row was cut from."""
        return tuple(each.name for each in self.pictures for _ in each.corners)

    @property
    def notes(self) -> Iterator[str]:
        """What became of the pictures before they were samples."""
        geometry = self.preparation.geometry
        size = 0 if geometry is None or not geometry.whole else geometry.size
        if other := [each for each in self.pictures if size and each.file != (size, size)]:
            told = images.few([f"{each.name} ({each.file[1]} x {each.file[0]} pixels)" for each in other])
            what = "the middle square is taken, and brought to that size"
            yield f"{told}: samples are {size} x {size} pixels; {what}"
        see_through = [each.name for each in self.pictures if each.see_through]
        yield from images.changed(see_through, [each.name for each in self.pictures if each.lost_colour])

    def undo(self, variable: str, values: Array) -> Array:
        """Values of a variable (rows, *shape) as the source's field has them: (rows, *field shape). DataError FG522."""
        chain = self.preparation.chain_of(variable)
        if chain is None or variable not in self.kept:
            return values
        raw = chain.undo(values.reshape(len(values), *chain.prepared_shape), self.kept[variable])
        if raw is None:
            why = f"a reconstruction of {variable} cannot be shown: one of {', '.join(chain.names)} cannot be undone"
            raise DataError(issue("FG522", why, ("data", "prepare"), fix="save it as an array instead: -o out.npz"))
        return raw

    def assemble(self, variable: str, values: Array) -> tuple[Array, ...]:
        """One array per picture, (height, width) or (3, height, width), overlaps averaged; for arrays one: the samples."""
        raw = self.undo(variable, values)
        return self.together(raw) if self.pictures else (raw,)

    def together(self, raw: Array) -> tuple[Array, ...]:
        """Raw samples as the pictures that they were cut from, overlaps averaged."""
        found, start = [], 0
        for picture in self.pictures:
            end = start + len(picture.corners)
            found.append(_assembled(raw[start:end], picture))
            start = end
        return tuple(found)


def read_input(path: Path, preparation: Preparation, stride: int | None = None) -> Input:
    """What the user named: a picture, a folder of pictures, or an .npy or .npz of samples.

    Where samples are whole pictures, each is brought to their size. Else it is cut into the source's patches, ``stride`` pixels
    apart (default: a patch's size); the last ones overlap so that every pixel is covered. Raises DataError with what would do.
    """
    if path.suffix.lower() in arrays.ENDINGS and path.is_file():
        return _from_arrays(path, preparation)
    files, geometry = _named_pictures(path, preparation)
    return _from_pictures(files, preparation, geometry, geometry.size if stride is None else stride)


def input_in_pieces(path: Path, preparation: Preparation, rows: int) -> Iterator[Input]:
    """As :func:`read_input`; an .npy comes so many rows at a time, so that memory holds a part of it, all else at once."""
    if path.suffix.lower() != ".npy" or not path.is_file():
        yield read_input(path, preparation)
        return
    for number, piece in enumerate(arrays.in_pieces(path, rows)):
        yield _prepared(_named({arrays.THE_ONE: piece}, preparation, path), preparation, path, number * rows)


def _named_pictures(path: Path, preparation: Preparation) -> tuple[list[tuple[str, Path]], Geometry]:
    """The pictures that the user named, each with its name, and how they become samples. DataError FG501, FG504, FG521."""
    if not path.exists():
        raise DataError(issue("FG501", f"there is no {path}", fix="name a picture, a folder of pictures, or an .npy file"))
    geometry = preparation.geometry
    if geometry is None or not preparation.variables_of(geometry.field):
        why = f"the samples of {preparation.of} are not cut from pictures"
        raise DataError(issue("FG521", why, fix=f"give samples, not pictures: {_wanted(preparation)}"))
    files = _pictures_in(path)
    if not files:
        endings = ", ".join(sorted(images.ENDINGS))
        raise DataError(issue("FG504", f"{path} holds no images", allowed=endings, fix="name a folder of pictures, or a picture"))
    return files, geometry


def read_variable(path: Path, variable: str, preparation: Preparation) -> Input:
    """One variable that the data bind, from a picture, a folder of pictures, or an .npy or .npz of samples. DataError."""
    if path.is_dir() or path.suffix.lower() not in arrays.ENDINGS:
        given = read_input(path, preparation)
        if variable not in given.variables:
            why = f"{path} is a picture, and {variable} is bound to {preparation.bind[variable]}"
            raise DataError(issue("FG521", why, fix=f"give an array, or a picture for {', '.join(given.variables)}"))
        return replace(given, variables={variable: given.variables[variable]}, kept={variable: given.kept[variable]})
    found = arrays.read(path)
    named = [name for name in (variable, preparation.bind[variable]) if name in found] or list(found)
    if (len(named) > 1 and named == list(found)) or found[named[0]].ndim == 0:
        why = f"{path} holds {', '.join(found)}, none of which is {variable}"
        raise DataError(issue("FG521", why, fix=f"name one of its arrays {variable}"))
    return _prepared({variable: found[named[0]]}, preparation, path)


def _pictures_in(path: Path) -> list[tuple[str, Path]]:
    """A picture, or those of a folder and of the folders in it, as in a folder whose folders are labels; each with its name.

    10 comes after 9.
    """
    if not path.is_dir():
        return [(path.name, path)]
    own = [(file.name, file) for file in paths.files_in(path, images.ENDINGS, [path])]
    inner = (
        (folder, file) for folder in paths.folders_in(path, [path]) for file in paths.files_in(folder, images.ENDINGS, [path])
    )
    below = [(f"{folder.name}_{file.name}", file) for folder, file in inner]
    return [each for some in (own, below) for each in sorted(some, key=lambda one: paths.natural(one[0]))]


def _from_pictures(files: Sequence[tuple[str, Path]], preparation: Preparation, geometry: Geometry, stride: int) -> Input:
    if geometry.whole and stride != geometry.size:
        why = f"samples of {preparation.of} are whole pictures: there is no stride from one to the next"
        raise DataError(issue("FG521", why, fix="leave --stride out"))
    if not 1 <= stride <= geometry.size:
        why = f"a stride of {stride} would leave pixels uncovered by patches of {geometry.size}"
        raise DataError(issue("FG521", why, fix=f"a stride from 1 to {geometry.size}"))
    pictures = [_picture(name, file, geometry, stride) for name, file in files]
    check_size(sum(len(each.corners) for each in pictures), geometry.shape, "patches", (), bytes_each=16)
    read = [images.read(file, geometry.colors) for _, file in files]
    raw = np.concatenate([cut(values, each, geometry) for values, each in zip(read, pictures, strict=True)])
    prepared, kept = preparation.chains[geometry.field].apply(raw)
    names = preparation.variables_of(geometry.field)
    variables = {name: preparation.to_variable(name, prepared) for name in names}
    return Input(variables, tuple(pictures), dict.fromkeys(names, kept), preparation, raw)


def wholes(path: Path, preparation: Preparation) -> Iterator[Input]:
    """Each picture that the user named by itself, at its own size: one sample, whose variables have its rows and columns.

    Raises DataError FG521 where the samples are no pictures, or a step of their preparation is made for one size.
    """
    if path.suffix.lower() in arrays.ENDINGS and path.is_file():
        raise DataError(issue("FG521", f"{path} holds arrays: --whole takes pictures", fix="leave out --whole, or save pictures"))
    files, geometry = _named_pictures(path, preparation)
    names = preparation.variables_of(geometry.field)
    for name in names:
        if len(preparation.shapes[name]) < 2:
            shape = list(preparation.shapes[name])
            why = f"{name} has the shape {shape}: as one row of values it has no rows and columns that could be more"
            raise DataError(issue("FG521", why, fix=f"train on {list(geometry.shape)}, and leave out --whole until then"))
    steps = len(preparation.chains[geometry.field].steps) - len(preparation.augment.get(geometry.field, ()))
    chain, _ = preparation.chains[geometry.field].parted(steps)
    if fixed := [step.type for step in chain.steps if not step.anywhere]:
        why = f"{' and '.join(fixed)} prepares samples of {geometry.size} x {geometry.size} pixels, and none of another size"
        raise DataError(issue("FG521", why, fix="train without it; contrast_normalise takes any size"))
    for called, file in files:
        values = images.read(file, geometry.colors)
        sides = tuple(values.shape[-2:])
        own = replace(chain, shape=tuple(values.shape))
        prepared, kept = own.apply(values[None])
        shapes = {name: (*preparation.shapes[name][:-2], *sides) for name in names}
        known = replace(preparation, chains={geometry.field: own}, shapes=shapes, geometry=None, augment={})
        variables = {name: known.to_variable(name, prepared) for name in names}
        yield Input(variables, (_whole(called, file, geometry, sides),), dict.fromkeys(names, kept), known, values[None])


def _whole(name: str, file: Path, geometry: Geometry, sides: tuple[int, ...]) -> Picture:
    """A picture that is one sample; ``sides``: of the sample."""
    height, width = sides
    lost = geometry.colors == 1 and images.in_colour(file)
    return Picture(name, height, width, np.zeros((1, 2), dtype=np.int64), images.size_of(file), images.see_through(file), lost)


def _picture(name: str, file: Path, geometry: Geometry, stride: int) -> Picture:
    if geometry.whole:
        return _whole(name, file, geometry, (geometry.size, geometry.size))
    height, width = images.size_of(file)
    if min(height, width) < geometry.size:
        why = f"{file} is {width} x {height} pixels; this model sees patches of {geometry.size} x {geometry.size}"
        raise DataError(issue("FG514", why, fix=f"a picture of at least {geometry.size} x {geometry.size} pixels"))
    tops, lefts = (_starts(length, geometry.size, stride) for length in (height, width))
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2)
    return replace(_whole(name, file, geometry, (height, width)), corners=corners)


def _starts(length: int, size: int, stride: int) -> Array:
    """0, stride, ... and the last place, so that every pixel is covered."""
    return np.unique(np.append(np.arange(0, length - size + 1, stride), length - size))


def cut(values: Array, picture: Picture, geometry: Geometry) -> Array:
    """A picture, or its mask, as samples: all of it, brought to their size, or patches at the picture's corners."""
    if geometry.whole:
        return images.fitted(values, geometry.size)[None]
    windows = np.lib.stride_tricks.sliding_window_view(values, (geometry.size, geometry.size), axis=(-2, -1))
    return patches.at(windows, picture.corners[:, 0], picture.corners[:, 1])


def _assembled(raw: Array, picture: Picture) -> Array:
    tall, wide = raw.shape[-2:]
    total = np.zeros((*raw.shape[1:-2], picture.height, picture.width))
    times = np.zeros((picture.height, picture.width))
    for patch, (top, left) in zip(raw, picture.corners.tolist(), strict=True):
        total[..., top : top + tall, left : left + wide] += patch
        times[top : top + tall, left : left + wide] += 1
    result: Array = (total / times).astype(np.float32)
    return result


def _from_arrays(path: Path, preparation: Preparation) -> Input:
    return _prepared(_named(arrays.read(path), preparation, path), preparation, path)


def _prepared(found: Mapping[str, Array], preparation: Preparation, path: Path, first: int = 0) -> Input:
    """Arrays by variable, as the model takes them; ``first``: the number of their first row."""
    variables, kept, raws = {}, {}, None
    for variable, values in found.items():
        arrays.check_finite(variable, values, (), first)
        chain = preparation.chain_of(variable)
        wanted, own = preparation.shapes[variable], tuple(values.shape[1:])
        if chain is None:
            variables[variable] = preparation.to_variable(variable, values if own else values.astype(np.int64))
        elif math.prod(own) == math.prod(chain.shape):
            raws = _scaled(values, preparation).reshape(len(values), *chain.shape).astype(np.float32)
            prepared, kept[variable] = chain.apply(raws)
            variables[variable] = preparation.to_variable(variable, prepared)
        elif math.prod(own) == math.prod(wanted):
            variables[variable] = values.reshape(len(values), *wanted).astype(np.float32)
        else:
            why = f"{path} holds samples of shape {list(own)} for {variable}"
            raise DataError(issue("FG521", why, fix=f"save {_wanted(preparation)}"))
    counts = {name: len(values) for name, values in variables.items()}
    if len(set(counts.values())) > 1:
        raise DataError(issue("FG521", f"the arrays in {path} differ in rows: {counts}", fix="one row per sample in each"))
    return Input(variables, (), kept, preparation, raws if len(found) == 1 else None)


def _named(found: Mapping[str, Array], preparation: Preparation, path: Path) -> dict[str, Array]:
    """Arrays by variable: named by it or by its field, or the one array for the one variable that is not a label."""
    named = {}
    for variable, field in preparation.bind.items():
        if variable in found or field in found:
            named[variable] = found[variable if variable in found else field]
    prepared = [variable for variable in preparation.bind if preparation.chain_of(variable) is not None]
    if not named and len(found) == 1 and len(prepared) == 1:
        named = {prepared[0]: next(iter(found.values()))}
    if not named or any(each.ndim == 0 for each in named.values()):
        why = f"{path} holds {', '.join(found) or 'no arrays'}, none of which this model can take"
        raise DataError(issue("FG521", why, fix=f"save {_wanted(preparation)}"))
    return named


def _scaled(values: Array, preparation: Preparation) -> Array:
    """Whole numbers of pictures, 0 to 255 or 65535, as 0 to 1, as the source has them."""
    return images.from_integers(values) if preparation.geometry is not None else values


def _wanted(preparation: Preparation) -> str:
    """What would do: the shapes that the spec says, or the source's where the preparation changes how many numbers there are."""
    parts = []
    for variable in preparation.bind:
        chain, stated = preparation.chain_of(variable), preparation.shapes[variable]
        shape = LABEL if chain is None else stated if math.prod(stated) == math.prod(chain.shape) else chain.shape
        parts.append(f"{variable} as an array of shape [rows{''.join(f', {each}' for each in shape)}]")
    named = "an .npz with arrays named like the variables or their fields: " if len(parts) > 1 else ""
    return named + ", ".join(parts)
