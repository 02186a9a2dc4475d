"""All that a spec claims, checked: its variants and seeds are trained, and each claim is judged on what it asks for."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import RunError, SpecError, issue
from factorgraph.run import dependencies
from factorgraph.run.claims import NotMeasuredError, Verdict, exit_status, judge, shown, table
from factorgraph.run.files import atomic_write
from factorgraph.run.run import Run
from factorgraph.run.spelling import combinations, state_text
from factorgraph.spec.claimed import START
from factorgraph.spec.schema import Spec
from factorgraph.training.loop import Progress
from factorgraph.training.session import Say, resume, train

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured
    from factorgraph.spec.blocks import Claim

LAPTOP = "laptop"


@dataclass(frozen=True)
class Job:
    """One run that some claim needs: the spec itself (variant ""), or one of its variants, from one seed."""

    variant: str
    seed: int
    spec: Spec

    @property
    def title(self) -> str:
        return f"{self.variant or 'the spec'}, seed {self.seed}"

    @cached_property
    def folder(self) -> str:
        """A name that says what it is, and belongs to this very spec, but for its claims, and to its leaves."""
        plain = self.variant.replace("[", "-").replace("]", "")
        whole = replace(self.spec, expect={}).full() + dependencies.leaf_sources(self.spec)
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{f'{plain}-' if plain else ''}seed{self.seed}-{digest}"


@dataclass(frozen=True)
class Reproduction:
    """What became of a spec's claims. ``exit_status``: 1 if one fails."""

    spec: Spec
    budget: str
    path: Path
    runs: Mapping[tuple[str, int], Run]
    seconds: float  # of this sitting

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(judge(self.spec, [self._states(seed) for seed in self.seeds], self.budget))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({seed for _, seed in self.runs}))

    @property
    def exit_status(self) -> int:
        return exit_status(self.verdicts)

    @property
    def learned(self) -> float:
        """The seconds that the runs learned for, in all their sittings."""
        return sum(float(each.get("seconds", 0)) for run in self.runs.values() for each in _sittings(run.folder.about()))

    @cached_property
    def fingerprint(self) -> str:
        """What changes when the spec's file changes, or a leaf that its claims' runs use."""
        return fingerprint(self.spec, self.budget)

    def text(self) -> str:
        """The verdicts, and the figures of each seed where there are several."""
        lines = [table(self.verdicts)]
        several = [each for each in self.verdicts if len(each.seeds) > 1]
        lines += [f"{each.name} by seed: {'; '.join(shown(one) for one in each.seeds)}" for each in several]
        return "\n".join([*lines, f"\n{len(self.runs)} run{'s' * (len(self.runs) != 1)} in {self.path}"])

    def as_dict(self) -> dict[str, Any]:
        return {
            "spec": self.spec.name,
            "budget": self.budget,
            "seeds": list(self.seeds),
            "seconds": round(self.learned, 1),
            "fingerprint": self.fingerprint,
            "claims": [each.as_dict() for each in self.verdicts],
            "runs": {f"{variant or 'spec'}, seed {seed}": str(run.path) for (variant, seed), run in self.runs.items()},
        }

    def draw(self, say: Say) -> None:
        """Write the figures that the spec asks for, which may compare variants. One that cannot be measured is told."""
        from factorgraph.run.figures._chosen import asked_figures, drawn

        for figure, drawing in asked_figures(self.spec, self._states(self.spec.seed)).items():
            try:
                made = dict(drawn({figure: drawing}))
            except RunError as error:
                say(f"the figure {figure} cannot be drawn: {error.issues[0].message}")
                continue
            for name, data in made.items():
                (self.path / "figures").mkdir(exist_ok=True)
                atomic_write(self.path / "figures" / name, data)

    def _states(self, seed: int) -> Callable[[str], Measured]:
        @cache
        def measured(variant: str, state: str) -> Measured:
            return self.runs[variant, seed].measured(state)

        def states(state: str) -> Measured:
            first, _, rest = state.partition(".")
            variant = first if first.split("[", maxsplit=1)[0] in self.spec.variants else ""
            if (variant, seed) not in self.runs:
                what = f"the variant {variant}" if variant else f"seed {seed}"
                raise NotMeasuredError(f"it needs {what}, which was not trained")
            return measured(variant, rest if variant else state)

        return states


def reproduce(
    spec: Spec,
    folder: str | Path | None = None,
    *,
    budget: str = LAPTOP,
    seeds: int | None = None,
    device: str = "auto",
    data: Sequence[Path] = (),
    on_progress: Callable[[Progress], None] | None = None,
    say: Say = lambda _: None,
) -> Reproduction:
    """Train what the spec's claims are about, and judge them. Runs that are whole are used again, others are gone on with.

    ``folder`` holds the runs, ``runs/reproduced/NAME`` if left out. ``seeds``: how many, for every claim; by default each claim's
    own number. Raises :class:`FactorgraphError`.
    """
    began = time.monotonic()
    sized = spec.budget(budget)
    if seeds is not None:
        expect = {name: claim.model_copy(update={"seeds": seeds}) for name, claim in sized.expect.items()}
        sized = replace(sized, expect=expect)
    if not sized.expect:
        what = f"{spec.name} claims nothing: there is nothing to reproduce"
        raise SpecError(spec.document.locate(issue("FG640", what, fix="add an expect block, or train it")))
    path = Path("runs/reproduced", spec.name) if folder is None else Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    planned = list(jobs(sized, budget))
    runs: dict[tuple[str, int], Run] = {}
    for number, job in enumerate(planned, 1):
        say(f"{spec.name} {number}/{len(planned)}: {job.title}")
        runs[job.variant, job.seed] = _run(job, path / job.folder, device, data, on_progress, say)
    made = Reproduction(sized, budget, path, runs, time.monotonic() - began)
    atomic_write(path / f"claims-{budget}.json", (json.dumps(made.as_dict(), indent=1) + "\n").encode())
    made.draw(say)
    return made


def jobs(spec: Spec, budget: str = LAPTOP) -> Iterator[Job]:
    """The runs that the claims about a budget need, the spec itself first; each seed is the spec's own plus 0, 1, 2, ..."""
    wanted: dict[tuple[str, int], None] = {}
    for claim in spec.expect.values():
        if claim.budget == budget:
            wanted |= dict.fromkeys((each, spec.seed + k) for k in range(claim.seeds) for each in _variants(claim, spec))
    if not wanted:
        wanted[("", spec.seed)] = None
    for variant, seed in sorted(wanted, key=lambda each: (each[1], bool(each[0]))):
        chosen = spec.variant(variant) if variant else spec
        yield Job(variant, seed, chosen if seed == spec.seed else chosen.with_changes({"seed": seed}, "seeds"))


def fingerprint(spec: Spec, budget: str = LAPTOP) -> str:
    """What the figures of a spec's claims depend on: its file, and the leaves that their runs use."""
    return dependencies.fingerprint(each.spec for each in jobs(spec.budget(budget), budget) if each.seed == spec.seed)


def _sittings(about: dict[str, Any]) -> list[dict[str, Any]]:
    return [about, *about.get("earlier", [])]


def _variants(claim: Claim, spec: Spec) -> Iterator[str]:
    """The variants whose figures a claim reads, members of families one by one, its control among them; "" is the spec itself."""
    for slots in combinations(claim.metric.root, spec.indices):
        for measure in claim.metric.measures():
            first = state_text(measure.states[:1], slots, spec)
            yield first if first.split("[", maxsplit=1)[0] in spec.variants else ""
    if claim.control is not None and claim.control != START:
        yield claim.control


def _run(
    job: Job,
    path: Path,
    device: str,
    data: Sequence[Path],
    on_progress: Callable[[Progress], None] | None,
    say: Say,
) -> Run:
    """The job's run: as it is there, gone on with, or trained."""
    if not path.exists():
        return train(job.spec, path, device=device, data=data, on_progress=on_progress, say=say)
    try:
        found = Run(path, data)
    except RunError as error:
        fix = "remove the folder, or name another one with --out"
        raise RunError([replace(each, fix=fix) for each in error.issues]) from None
    if found.folder.is_done:
        say(f"already there: {path}")
        return found
    return resume(path, device=device, data=data, on_progress=on_progress, say=say)
