"""The spec that an argument means: of a file, of one that ships, or of a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from factorgraph.spec.changes import in_states
from factorgraph.spec.load import divided, is_there, load
from factorgraph.spec.schema import Spec


def opened(name: str, set: Iterable[str] = ()) -> Spec:
    """The spec of a name, as :func:`~factorgraph.spec.load.load` takes it, or that of a run by its folder. Raises SpecError."""
    folder, states = divided(name)
    if not is_there(folder, Path.is_dir):
        return load(name, set)
    from factorgraph.run.run import Run

    return in_states(Run(folder).spec, states, tuple(set))
