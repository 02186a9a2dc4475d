"""A procedure of a run, as a file that other programs run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from factorgraph.leaving.exported import Exported, as_onnx, as_torch, exported, plain
from factorgraph.run.files import atomic_write, spare
from factorgraph.run.folder import OWN

if TYPE_CHECKING:
    from factorgraph.run.run import Run

WRITERS: Mapping[str, tuple[str, Callable[[Exported], bytes]]] = {"onnx": (".onnx", as_onnx), "torch": (".pt2", as_torch)}


def export(run: Run, to: str, output: Path | None, procedure: str | None) -> Iterator[str]:
    """Write ``output``, or NAME.onnx, NAME.pt2 here; yields what there is to say. Raises RunError FG620, FG661, FG690, FG691."""
    suffix, write = WRITERS[to]
    module = exported(run.model, procedure)
    path = output or Path(run.spec.name.replace("/", "_") + suffix)
    spare(path, (run.path / each for each in OWN))
    atomic_write(path, write(module))
    variables = run.model.graph.variables
    for word, keys in (("takes", module.inputs), ("gives", module.outputs)):
        shapes = (f"{plain(key)} {['batch', *variables[key].shape]}".replace("'", "") for key in keys)
        yield f"{word} {', '.join(shapes)}"
    prepared = [key for key in module.inputs if _steps(run, variables[key].name)]
    if prepared:
        yield f"note: it takes {' and '.join(map(plain, prepared))} as learning saw it, after prepare"
    yield str(path)


def _steps(run: Run, variable: str) -> bool:
    """Whether samples of a variable are prepared."""
    if run.spec.data is None or variable not in run.preparation.bind:
        return False
    chain = run.preparation.chain_of(variable)
    return chain is not None and bool(chain.steps)
