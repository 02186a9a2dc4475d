"""Keeps figures of trained specs for the gallery, in docs/pictures/gallery, with a record of what they are of.

``python tools/pictures.py NAME...`` trains each spec as ``factorgraph reproduce`` does, the spec itself from its own seed (a run
that is there already is used again), and keeps its most telling figures, small. Only specs whose data carry no right that forbids
it are taken: generated ones, and those that come with scikit-learn, whose authors the gallery names.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from factorgraph.run.run import Run
from factorgraph.spec.load import load
from factorgraph.spec.schema import Spec
from factorgraph.training.reproduce import LAPTOP, Job
from factorgraph.training.session import train

ROOT = Path(__file__).resolve().parent.parent
RUNS, KEPT = ROOT / "runs" / "reproduced", ROOT / "docs" / "pictures" / "gallery"
RECORD = KEPT / "record.json"
FREE = ("generated", "CC BY")  # what a source's licence says where pictures of its data, or learned from them, may be shown
MOST, WIDEST, COLORS = 3, 1000, 64  # figures a spec, pixels, shades: some 20 kB a figure
LARGEST = 100_000  # bytes
TELLING = ("energy_while_learning", "energy", "filters", "components", "maps", "density", "samples", "reconstructions", "codes")


def main(names: list[str]) -> int:
    for name in names:
        spec = load(name)
        if not may_be_shown(spec):
            print(f"{name}: its data may not be shown")
            continue
        keep(name, spec, trained(name, spec))
    return 0


def sources(spec: Spec) -> list[Any]:
    return [each.source for each in spec.data.blocks.values()] if spec.data else []


def may_be_shown(spec: Spec) -> bool:
    """Whether all data are generated, or come with scikit-learn."""
    own = [getattr(each, key, None) for each in sources(spec) for key in ("folder", "file")]
    return bool(sources(spec)) and not any(own) and all(any(word in each.licence for word in FREE) for each in sources(spec))


def job(spec: Spec) -> Job:
    """The run whose figures are shown: the spec itself, from its own seed."""
    return Job("", spec.seed, spec.budget(LAPTOP))


def trained(name: str, spec: Spec) -> Run:
    path = RUNS / name / job(spec).folder
    if (path / "done").exists():
        return Run(path, ())
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return train(job(spec).spec, path, device="cpu", say=print)


def keep(name: str, spec: Spec, run: Run) -> None:
    about, kept = run.folder.about(), list(telling(run.path / "figures", list(spec.figures)))
    for old in (KEPT / name).glob("*.png"):
        old.unlink()
    for file in kept:
        (KEPT / name).mkdir(parents=True, exist_ok=True)
        (KEPT / name / file.name).write_bytes(small(file))
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    record[name] = {
        "run": job(spec).folder,
        "seconds": round(about.get("seconds", 0)),
        "date": about["end"][:10],
        "figures": [file.stem for file in kept],
    }
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", "utf-8")
    print(f"{name}: {', '.join(file.stem for file in kept)}")


def telling(folder: Path, asked: list[str]) -> Iterator[Path]:
    """The figures that say most: those that the spec asks for, then by what they show."""
    files = sorted(folder.glob("*.png"), key=lambda file: file.name)
    order = [*asked, *TELLING]
    ranked = [(next((k for k, word in enumerate(order) if file.stem.startswith(word)), None), file) for file in files]
    if any(file.stem == "energy_while_learning" for file in files):  # its last panel
        ranked = [(rank, file) for rank, file in ranked if file.stem != "energy"]
    chosen = sorted((rank, file) for rank, file in ranked if rank is not None)[:MOST]
    yield from (file for _, file in chosen) if chosen else (file for file in files if file.stem == "curves")


def small(file: Path) -> bytes:
    """A figure in few colours, no wider than a page; narrower, if it is of much detail."""
    with Image.open(file) as picture:
        image = picture.convert("RGB")
    image.thumbnail((WIDEST, WIDEST * 2))
    while True:
        held = io.BytesIO()
        image.quantize(COLORS).save(held, "PNG", optimize=True)
        if len(held.getvalue()) < LARGEST:
            return held.getvalue()
        image.thumbnail((image.width * 4 // 5, image.height * 4 // 5))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
