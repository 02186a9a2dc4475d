"""Questions to a run: variables clamped to pictures, arrays or labels, others inferred, and what came out as pictures again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.compile.question import Answer, Partly, ask
from factorgraph.data import arrays, images
from factorgraph.data.inputs import Input, cut, read_variable
from factorgraph.errors import RunError, issue
from factorgraph.graph.model import Variable
from factorgraph.inference.domains import FINITE, project
from factorgraph.lazy import np, torch
from factorgraph.run.infer import reconstructions

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

    from factorgraph.data.chain import Chain
    from factorgraph.run.run import Run

ROWS_AT_ONCE = 200  # what is known in part has a Hessian of its own for each row
LABELS = re.compile(r"\d+(,\d+)*")
LINEAR = 1e-3  # of a step's length: what a linear preparation may differ from its matrix, by rounding
MOST_ROWS = 100_000  # of an interpolation
NEAR = 1e-4  # how far a value may be from its domain, by rounding
ALLOWED = {
    "nonnegative": "values of 0 or more",
    "simplex": "in each row values of 0 or more that add up to 1",
    "binary": "0 and 1",
    "one_hot": "in each row one 1, and 0 elsewhere",
}
BENT = "the preparation is not linear, and what it takes from a whole sample is taken from what is known of it"


@dataclass(frozen=True)
class Answered:
    """What a run answers to a question.

    ``variables`` by value id, as the model sees them: (rows, *shape); ``energy`` and each factor's ``shares`` (rows,).
    ``inputs``: what was read, by variable. ``mask`` (rows, *field shape), True where the masked variable was known.
    """

    variables: Mapping[str, ndarray]
    energy: ndarray
    shares: Mapping[str, ndarray]
    status: ndarray
    steps: ndarray
    certificate: ndarray
    notes: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)
    mask: ndarray | None = None
    masked: str = ""

    def __getitem__(self, name: str) -> ndarray:
        return self.variables[name]

    @property
    def files(self) -> tuple[str, ...]:
        """The name of the picture that each row was cut from; none where rows are of no pictures."""
        found = [each.files for each in self.inputs.values() if len(each.files) == len(self.energy)]
        return found[0] if found else ()


def question(
    run: Run,
    clamp: Mapping[str, Any],
    free: Iterable[str] = (),
    mask: Path | ndarray | None = None,
    procedure: str | None = None,
) -> Answered:
    """The least energy with some variables known.

    ``clamp``: by variable a path, labels (``"3"``, ``"0,1,2"``), or an array as the model sees it, (rows, *shape); one row
    stands for all. ``mask``: of the clamped picture only what is white, or True, is known. Raises RunError FG657 to FG660.
    """
    known: dict[str, ndarray] = {}
    inputs: dict[str, Input] = {}
    for name, given in clamp.items():
        known[name], read = _value(run, name, given)
        if read is not None:
            inputs[name] = read
    known = _one_batch(known)
    notes = [note for each in inputs.values() for note in each.notes]
    masked = "" if mask is None else _masked(run, known, inputs)
    there = None if mask is None else _mask(inputs[masked], mask)
    if there is None or there.all():
        notes += [] if there is None else [f"the mask shows all of {masked}: it is known, as without a mask"]
        answered = _asked(run, known, free, procedure, {}, inputs)
        return replace(answered, notes=(*notes, *answered.notes))
    partly, inputs[masked], told = _partly(run, inputs[masked], masked, there)
    notes += told
    answered = _asked(run, {key: each for key, each in known.items() if key != masked}, free, procedure, {masked: partly}, inputs)
    return replace(answered, mask=there, masked=masked, notes=(*notes, *answered.notes))


def interpolate(run: Run, latent: str, ends: Sequence[Any], steps: int, procedure: str | None = None) -> tuple[Answered, int]:
    """A latent variable from the code of one input to that of another, decoded; and the rows of one step.

    Rows are ordered by step: those of the first end, then what lies between, then those of the second. Raises RunError FG660.
    """
    variable = _variable(run, latent)
    if variable.kind != "latent" or variable.domain in FINITE:
        allowed = ", ".join(each.name for each in run.model.graph.of_kind("latent") if each.domain not in FINITE)
        raise RunError(
            issue("FG660", f'"{latent}" is no latent variable with values between two others', allowed=allowed or "none here")
        )
    if steps < 2:
        raise RunError(issue("FG660", f"from one end to the other there are at least 2 steps, not {steps}", fix="--steps 8"))
    name = _shown(run)
    a, b = (question(run, {name: end}, procedure=procedure) for end in ends)
    if len(a[latent]) != len(b[latent]):
        what = f"the ends have {len(a[latent])} and {len(b[latent])} samples"
        raise RunError(issue("FG660", what, fix="name two pictures of one size, or two arrays of as many rows"))
    if (rows := steps * len(a[latent])) > MOST_ROWS:
        what = f"{len(a[latent])} samples in {steps} steps are {rows} rows; {MOST_ROWS} are the limit"
        raise RunError(issue("FG660", what, fix=f"--steps {max(2, MOST_ROWS // len(a[latent]))}, or fewer samples"))
    shares = np.linspace(0, 1, steps, dtype=a[latent].dtype)
    between = np.concatenate([a[latent] * (1 - share) + b[latent] * share for share in shares])
    found = question(run, {latent: between}, [name])
    return replace(found, inputs=a.inputs, notes=(*a.notes, *b.notes, *found.notes)), len(a[latent])


# --- what is given -------------------------------------------------------------------------------------------------------------


def _variable(run: Run, name: str) -> Variable:
    """RunError FG658 where there is no such variable, or it follows from others."""
    graph = run.model.graph
    known = {each.id: each for kind in ("observed", "latent") for each in graph.of_kind(kind)}
    if name not in known:
        other = graph.variables.get(name)
        what = f'the model has no variable "{name}"' if other is None else f'"{name}" is {other.kind}, and cannot be clamped'
        raise RunError(issue("FG658", what, allowed=", ".join(known)))
    return known[name]


def _value(run: Run, name: str, given: Any) -> tuple[ndarray, Input | None]:
    """A variable's value, (rows, *shape), in its domain, and what was read of the user's."""
    variable = _variable(run, name)
    value, read = _given(run, variable, given)
    return in_domain(variable, value), read


def in_domain(variable: Variable, value: ndarray) -> ndarray:
    """The same without rounding: a sample or more in the variable's domain. RunError FG660 where it is elsewhere."""
    what = f'what "{variable.name}" is clamped to'
    if len(value) == 0:
        raise RunError(issue("FG660", f"{what} has no rows", variable.written.path, fix="give one sample, or more"))
    nearest: ndarray = project(variable.domain, torch.from_numpy(value)).numpy()
    off = np.argwhere(~(np.abs(nearest - value) <= NEAR))
    if len(off):
        held = f"{value[tuple(off[0])]:g} in row {off[0, 0]} (counted from 0)"
        text = f"{what} holds {held}, and {variable.name} is {variable.domain}"
        raise RunError(issue("FG660", text, variable.written.path, allowed=ALLOWED[variable.domain]))
    return nearest


def _given(run: Run, variable: Variable, given: Any) -> tuple[ndarray, Input | None]:
    name = variable.name
    if isinstance(given, str) and LABELS.fullmatch(given.replace(" ", "")) and variable.domain == "one_hot":
        return _labels(variable, [int(each) for each in given.split(",")]), None
    if not isinstance(given, str | Path):
        return _fitted(variable, _array(given), "the array"), None
    path = Path(given)
    if not path.exists():
        what = f'there is no file {path} to clamp "{name}" to'
        also = ", or labels such as 0 or 0,1,2" if variable.domain == "one_hot" else ""
        raise RunError(issue("FG660", what, fix=f"{name}=FILE, a picture or an array (.npy, .npz){also}"))
    if name in run.preparation.bind:
        read = read_variable(path, name, run.preparation)
        return read.variables[name], read
    found = arrays.read(path)
    if name not in found and len(found) != 1:
        raise RunError(
            issue("FG660", f"{path} holds {', '.join(found)}, none of which is {name}", fix=f"name one of them {name}")
        )
    return _fitted(variable, found.get(name, next(iter(found.values()))), str(path)), None


def _array(given: Any) -> ndarray:
    try:
        return given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    except (ValueError, TypeError) as reason:
        raise RunError(issue("FG660", f"what is given is no array: {reason}", fix="rows of one length")) from None


def _labels(variable: Variable, labels: list[int]) -> ndarray:
    units = prod(variable.shape)
    wrong = [each for each in labels if not 0 <= each < units]
    if wrong:
        what = f"{variable.name} has {units} values, and {wrong[0]} is none of them"
        raise RunError(issue("FG660", what, variable.written.path, allowed=f"0 to {units - 1}"))
    found: ndarray = np.eye(units, dtype=np.float32)[labels].reshape(len(labels), *variable.shape)
    return found


def _fitted(variable: Variable, value: ndarray, what: str) -> ndarray:
    if value.dtype.kind in "iu" and value.ndim == 1 and variable.domain == "one_hot":
        return _labels(variable, value.tolist())
    if value.ndim == 0 or prod(value.shape[1:]) != prod(variable.shape):
        wanted = ", ".join(map(str, ("rows", *variable.shape)))
        text = f"{what} has the shape {list(value.shape)}, and {variable.name} is [{wanted}]"
        raise RunError(issue("FG660", text, variable.written.path, fix=f"save an array of shape [{wanted}]"))
    if value.dtype.kind not in arrays.NUMBERS:
        raise RunError(issue("FG660", f"{what} holds {value.dtype}, not real numbers", variable.written.path, fix="convert it"))
    arrays.check_finite(variable.name, value, ())
    return value.reshape(len(value), *variable.shape).astype(np.float32)


def _one_batch(known: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """The same with as many rows each."""
    rows = {len(each) for each in known.values()} - {1}
    if len(rows) > 1:
        told = ", ".join(f"{name} has {len(each)}" for name, each in known.items())
        raise RunError(issue("FG660", f"what is clamped differs in rows: {told}", fix="as many rows in each, or one row for all"))
    count = max(rows, default=1)
    return {name: np.repeat(each, count, axis=0) if len(each) != count else each for name, each in known.items()}


# --- masks ---------------------------------------------------------------------------------------------------------------------


def _masked(run: Run, known: Mapping[str, ndarray], inputs: Mapping[str, Input]) -> str:
    """The clamped variable that a mask is of: the only one that was read from pictures, or from samples."""
    found = [name for name, each in inputs.items() if each.raw is not None and len(known[name]) == each.rows]
    if len(found) != 1:
        what = f"a mask is of one clamped variable with the data's own samples, and there are {len(found)}"
        allowed = ", ".join(found) or f"a picture, or an array of samples: {example(run)}"
        raise RunError(issue("FG660", what, allowed=allowed))
    return found[0]


def _mask(given: Input, mask: Path | ndarray) -> ndarray:
    """Which raw values are known: (rows, *field shape) bool. RunError FG660 where it has another size."""
    assert given.raw is not None, "only what was read is masked"
    shape = given.raw.shape
    if isinstance(mask, str | Path) and Path(mask).suffix.lower() not in arrays.ENDINGS:
        if not given.pictures or given.preparation.geometry is None:
            raise RunError(issue("FG660", f"{mask} is a picture, and what it is to mask is none", fix="give an array (.npy)"))
        white = images.read(Path(mask), 1)
        geometry = given.preparation.geometry
        for each in given.pictures:
            own = each.file
            if white.shape != own:
                sizes = f"{white.shape[1]} x {white.shape[0]} pixels, and {each.name} {own[1]} x {own[0]}"
                raise RunError(issue("FG660", f"the mask {mask} has {sizes}", fix="a mask of the picture's size"))
        known = np.concatenate([cut(white, each, replace(geometry, colors=1)) for each in given.pictures]) > 0.5
        known = known.reshape(len(known), *[1] * (len(shape) - 3), *known.shape[-2:])
    else:
        known = arrays.read(Path(mask)).popitem()[1] if isinstance(mask, str | Path) else np.asarray(mask)
        if prod(known.shape) not in (prod(shape), prod(shape[1:])):
            text = f"the mask has the shape {list(known.shape)}, and the samples {list(shape)}"
            raise RunError(issue("FG660", text, fix=f"a mask of shape {list(shape[1:])} for all, or {list(shape)}"))
        known = (known > 0.5).reshape(-1, *shape[1:])
    found: ndarray = np.broadcast_to(known, shape)
    return found


def _partly(run: Run, given: Input, name: str, known: ndarray) -> tuple[Partly, Input, list[str]]:
    """A sample known in part, as the model sees it: what is missing is first taken for the mean of what is known."""
    chain = given.preparation.chain_of(name)
    assert chain is not None and given.raw is not None, "what was read was prepared"
    axes = tuple(range(1, known.ndim))
    mean = (given.raw * known).sum(axes, keepdims=True) / np.maximum(known.sum(axes, keepdims=True), 1)
    filled = np.where(known, given.raw, mean).astype(np.float32)
    prepared, kept = chain.apply(filled)
    units = prod(run.model.graph.variables[name].shape)
    matrix = chain.pixels_of_rows(np.eye(units)).reshape(units, -1)
    plain = matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(units))
    notes = [] if linear(chain, filled, matrix) else [f"{BENT} ({', '.join(chain.names)})"]
    if nothing := int((~known.any(axes)).sum()):
        what = f"the mask shows nothing of {name}" + (f" in {nothing} of {len(known)} samples" if len(known) > 1 else "")
        notes.insert(0, f"{what}: nothing of it is known there, and what is filled in says nothing of the input")

    def tensor(array: ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(run.device)

    base = tensor(given.preparation.to_variable(name, prepared))
    free = tensor((~known).reshape(len(known), -1))
    return Partly(base, free, None if plain else tensor(matrix)), replace(given, kept={**given.kept, name: kept}), notes


def linear(chain: Chain, filled: ndarray, matrix: ndarray) -> bool:
    """Whether a step away from some samples is prepared by the matrix alone."""
    some = filled[:8].astype(np.float64)
    step = np.random.default_rng(0).standard_normal(some.shape) * some.std()
    moved = chain.apply(some + step)[0].reshape(len(some), -1) - chain.apply(some)[0].reshape(len(some), -1)
    straight = step.reshape(len(some), -1) @ matrix.T
    scale = (moved * straight).sum() / max(float((straight**2).sum()), 1e-30)  # that of the set, which the matrix leaves out
    return bool(np.linalg.norm(moved - scale * straight) <= LINEAR * np.linalg.norm(moved))


# --- asking --------------------------------------------------------------------------------------------------------------------


def _asked(
    run: Run,
    known: Mapping[str, ndarray],
    free: Iterable[str],
    procedure: str | None,
    partly: Mapping[str, Partly],
    inputs: Mapping[str, Input],
) -> Answered:
    rows = next((len(each) for each in known.values()), next((len(part.free) for part in partly.values()), 1))
    start = reconstructions(run.model.graph)
    answers = []
    for begin in range(0, rows, ROWS_AT_ONCE):
        some = slice(begin, begin + ROWS_AT_ONCE)
        values = {name: torch.from_numpy(np.ascontiguousarray(each[some])).to(run.device) for name, each in known.items()}
        parts = {key: replace(each, base=each.base[some], free=each.free[some]) for key, each in partly.items()}
        answers.append(ask(run.model, values, tuple(free), parts, procedure, start))

    def joined(each: Iterable[Tensor]) -> ndarray:
        found: ndarray = torch.cat([one.detach() for one in each]).cpu().numpy()
        return found

    first: Answer = answers[0]
    every = [each.solution for each in answers]
    return Answered(
        variables={key: joined(each.variables[key] for each in every) for key in first.solution.variables},
        shares={key: joined(each.shares[key] for each in every) for key in first.solution.shares},
        energy=joined(each.energy for each in every),
        status=joined(each.status for each in every),
        steps=joined(each.steps for each in every),
        certificate=joined(each.certificate for each in every),
        notes=tuple(dict.fromkeys(note for each in answers for note in each.notes)),
        plans=tuple(f"{', '.join(plan.block)} by {(plan.solver or {}).get('type')}" for plan in first.plans),
        inputs=dict(inputs),
    )


def _shown(run: Run) -> str:
    """The observed variable that inputs are of: what pictures are cut for, or the only one that is prepared."""
    preparation = run.preparation
    names = [name for name in preparation.bind if preparation.chain_of(name) is not None]
    if preparation.geometry is not None:
        names = list(preparation.variables_of(preparation.geometry.field)) or names
    if not names:
        raise RunError(issue("FG660", "the model has no variable that inputs are of", fix="clamp variables by name"))
    return names[0]


def example(run: Run) -> str:
    """How one of the run's own variables would be clamped."""
    preparation = run.preparation
    names = [name for name in preparation.bind if preparation.chain_of(name) is not None]
    pictures = () if preparation.geometry is None else preparation.variables_of(preparation.geometry.field)
    others = [each.name for kind in ("observed", "latent") for each in run.model.graph.of_kind(kind)]
    return f"--clamp {pictures[0]}=photo.png" if pictures else f"--clamp {(*names, *others)[0]}=samples.npy"
