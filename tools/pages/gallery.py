"""A page for each architecture: its diagram, figures of a trained run, what came of its claims, its spec."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pictures import KEPT, RECORD, RUNS, job, may_be_shown, telling

from factorgraph.graph.drawing import svg
from factorgraph.graph.resolve import resolve
from factorgraph.run.claims import bound_text, shown
from factorgraph.spec.load import Listed, load, specs
from factorgraph.spec.schema import Spec
from factorgraph.training.record import read
from factorgraph.training.reproduce import LAPTOP, fingerprint
from pages.drawn import diagram
from pages.text import contents, put, table

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Gallery

The {} specs that come with factorgraph, each a page: its diagram, figures of a trained run, every claim with our figure beside
the published one, the seconds that it took, and the spec itself. Figures are shown where the data are generated, or come with
scikit-learn: digits by E. Alpaydin and C. Kaynak (CC BY 4.0), and two photographs, *china* by danielbuechele and *flower* by
vultilion (CC BY 2.0).
"""
GROUPS = {  # heads of the gallery: how the names begin that stand under them
    "Surfaces in the plane": ("toy/",),
    "Sparse codes, and encoders that find them": (
        *("kmeans", "factor_analysis", "sparse_coding", "psd", "encoder_decoder", "lista", "lcod", "structured_encoder"),
        *("drsae", "task_driven"),
    ),
    "Kernels and hierarchies": ("convolutional_", "deconvolutional_", "psd_hierarchy", "pedestrian"),
    "Invariant features": (
        *("invariant", "subspace", "topographic", "lateral", "tiled", "pooled", "reconstruction_ica", "product_of"),
    ),
    "What and where": ("swwae", "ladder"),
    "Sequences": ("linearization", "slow_", "temporal", "video"),
    "Energies of binary variables": ("boltzmann", "rbm"),
    "Shaping the energy": ("ica", "denoising", "contractive", "saturating", "score_matching"),
    "Games": ("gan", "energy_based_gan", "dcgan", "lapgan"),
    "More": ("",),
}
RUN = """\
## Run it

```sh
factorgraph explain {0}
factorgraph train {0}
factorgraph reproduce {0}
```

`train` learns once; `reproduce` also trains the variants and seeds that the claims need.
"""
CAPTIONS = {  # by how a figure's name begins
    "energy_while_learning": "The energy over the plane, before learning and after each phase: dark is low.",
    "energy": "The energy over the plane after learning: dark is low.",
    "filters-": "What the units of `{}` write or read, as pictures.",
    "components-": "The matrix of `{}`.",
    "maps": "The code of one picture, map by map.",
    "reconstructions": "Held-out samples, and what the model makes of them.",
    "codes": "How often units of the code are active, and how much.",
    "curves": "The energy and its terms while learning.",
}


def write(folder: Path, sentences: Mapping[str, str]) -> None:
    """All pages, and the first one with a card for each; ``sentences`` say in a line what a spec shows."""
    record, kept = read(ROOT / "docs" / "claims.md"), json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    shipped = {each.name: each for each in specs() if each.name}
    cards: dict[str, list[str]] = {head: [] for head in GROUPS}
    for name, each in shipped.items():
        spec, stem = load(name), folder / name
        picture = stem.with_suffix(".svg")
        put(picture, svg(resolve(spec)))
        pictures = list(figures(name, spec, folder.parent / "_static" / "figures" / name, kept.get(name)))
        put(folder / f"{name}.md", architecture(name, spec, each, record.get(name, {}), pictures))
        thumb = folder.parent / "_static" / "diagrams" / f"{name.replace('/', '-')}.svg"
        put(thumb, picture.read_text("utf-8"))
        image = f"figures/{name}/{pictures[0][0]}" if pictures else f"diagrams/{thumb.name}"
        cards[group(name)].append(card(name, spec, image, sentences.get(name, "")))
    lines = [HEAD.format(len(shipped))]
    for head, found in cards.items():
        lines += [f"## {head}", "", '<div class="cards">', *found, "</div>", ""] if found else []
    in_order = [name for head in GROUPS for name in shipped if group(name) == head]
    put(folder / "index.md", "\n".join(lines) + contents(in_order))


def group(name: str) -> str:
    """The head whose beginnings fit best: the longest one."""
    fits = [(len(start), head) for head, starts in GROUPS.items() for start in starts if name.startswith(start)]
    return max(fits, key=lambda each: each[0])[1]


def card(name: str, spec: Spec, image: str, sentence: str) -> str:
    title, said = html.escape(spec.title), html.escape(sentence)
    shown_ = f'<div class="shown"><img src="../_static/{image}" alt="" loading="lazy"></div>'
    return f'<a href="{name}.html">{shown_}<b>{title}</b><span>{said}</span></a>'


def figures(name: str, spec: Spec, folder: Path, kept: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """File names and captions: of a run that ``factorgraph reproduce`` has left here, or else those that are kept."""
    here = RUNS / name / job(spec).folder
    source: list[Path] = []
    since = ""
    if may_be_shown(spec) and (here / "done").exists():
        source = list(telling(here / "figures", list(spec.figures)))
    elif kept:
        source = [KEPT / name / f"{each}.png" for each in kept["figures"]]
        since = "" if kept["run"] == here.name else " Learned before the spec, or a leaf that it uses, last changed."
    for file in source:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / file.name)
        yield file.name, f"{caption(file.stem, spec)}{since}"


def caption(stem: str, spec: Spec) -> str:
    if stem in spec.figures:
        figure = spec.figures[stem].first
        return f"The figure `{stem}` of the spec, of type [{figure.type}](/leaves/figures.md)."
    for start, text in CAPTIONS.items():
        if stem.startswith(start):
            return text.format(stem.removeprefix(start))
    return stem


def architecture(
    name: str, spec: Spec, each: Listed, rows: Mapping[str, Mapping[str, Any]], pictures: list[tuple[str, str]]
) -> str:
    """The page of one spec."""
    up = "../" * (1 + name.count("/"))
    source = "; ".join(spec.source.values())
    lines = [f"# {spec.title}", "", *([f"*{source}*", ""] if source else [])]
    lines += [diagram(f"{Path(name).name}.svg", f"The factor graph of {name}"), ""]
    if pictures:
        lines += ["## What it learns", "", '<div class="figures">']
        for file, said in pictures:
            plain = html.escape(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", said.replace("`", "")))
            image = f'<img src="{up}_static/figures/{name}/{file}" alt="{plain}" loading="lazy">'
            lines += [f"<figure>{image}<figcaption>{plain}</figcaption></figure>"]
        lines += ["</div>", ""]
    lines += ["## What it claims, and what came out", "", *claims(spec, rows), ""]
    lines += [RUN.format(name)]
    return "\n".join([*lines, "## Spec", "", "```yaml", each.path.read_text(encoding="utf-8").rstrip(), "```", ""])


def claims(spec: Spec, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not spec.expect:
        return ["It makes no claims."]
    found = []
    for name, claim in spec.expect.items():
        row = rows.get(name)
        ours = shown(tuple(float("nan") if each is None else each for each in row["values"])) if row else "–"
        asked = bound_text(claim) or "–"
        verdict = row["verdict"] if row else "not recorded yet"
        found.append((f"{claim.claim}<br>`{claim.metric.text}`", ours, asked, verdict, str(claim.published or "–")))
    lines = [table(("claim", "ours", "asked", "verdict", "published"), found), ""]
    if not rows:
        return [*lines, "Nobody has recorded these claims yet: `factorgraph reproduce` measures them."]
    seconds, day = max(row["seconds"] for row in rows.values()), max(row["date"] for row in rows.values())[:10]
    same = {row["fingerprint"] for row in rows.values()} == {fingerprint(spec, LAPTOP)}
    since = "" if same else " The spec, or a leaf that it uses, has changed since."
    return [*lines, f"All runs together learned for {seconds} seconds; recorded on {day}.{since} [All claims](/claims.md)"]
