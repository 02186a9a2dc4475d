"""What specs claim is what was written down before they were trained: tests/claims.csv, transcribed from the references."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from factorgraph.spec.document import decode, read
from factorgraph.spec.load import folder

BOUNDS = ("at_least", "at_most", "rises_with", "falls_with")

with (Path(__file__).parent / "claims.csv").open(encoding="utf-8", newline="") as lines:
    ROWS = list(csv.DictReader(lines))
SHIPPED = [each.relative_to(folder()).with_suffix("").as_posix() for each in sorted(folder().rglob("*.yaml"))]
SHIPPED = [name for name in SHIPPED if not name.startswith("drafts/")]


def number(text: Any) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def every_claim(name: str) -> dict[str, Any]:
    """The claims of a spec, shipped or still a draft, as its file has them."""
    file = next(path for path in (folder() / f"{name}.yaml", folder() / "drafts" / f"{name}.yaml") if path.exists())
    found: dict[str, Any] = read(decode(file.read_bytes(), name), name).values.get("expect", {})
    return found


def judged(name: str) -> dict[str, Any]:
    return {claim: entry for claim, entry in every_claim(name).items() if not entry.get("report")}


def claimed(name: str) -> dict[str, tuple[Any, ...]]:
    """Of each judged claim the bound, the seeds, and what is taken of them."""
    found = {}
    for claim, entry in judged(name).items():
        bounds = tuple((key, number(entry[key])) for key in BOUNDS if key in entry)
        found[claim] = (bounds, entry.get("seeds", 1), entry.get("take", "median"))
    return found


def written(name: str) -> dict[str, tuple[Any, ...]]:
    found = {}
    for row in ROWS:
        if row["spec"] == name:
            bounds = []
            for kind, _, value in (each.partition(" ") for each in row["bound"].split(" and ")):
                bounds.append((f"{kind}_with" if kind in ("rises", "falls") else kind, number(value)))
            found[row["claim"]] = (tuple(bounds), int(row["seeds"]), row["take"])
    return found


@pytest.mark.parametrize("name", sorted({*SHIPPED, *(row["spec"] for row in ROWS)}))
def test_a_spec_claims_what_was_written_down_first(name: str) -> None:
    assert claimed(name) == written(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_claim_that_is_judged_says_where_it_comes_from(name: str) -> None:
    rows = {row["claim"]: (row["source"], row["published"]) for row in ROWS if row["spec"] == name}
    assert {claim: (each.get("source"), str(each.get("published", ""))) for claim, each in judged(name).items()} == rows


def test_rows_are_one_a_claim_and_name_where_they_come_from() -> None:
    names = [(row["spec"], row["claim"]) for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(row["source"] for row in ROWS)


def test_what_is_published_was_looked_up() -> None:
    """A figure that somebody only remembers belongs nowhere."""
    said = [row["published"] for row in ROWS]
    for name in {*SHIPPED, *(row["spec"] for row in ROWS)}:
        said += [str(each.get("published", "")) for each in every_claim(name).values()]
    assert [text for text in said if "remember" in text.lower()] == []


def test_the_difference_that_learning_through_a_search_makes_must_not_be_0() -> None:
    """Without the way through the search both sides are the same classifier, bit for bit."""
    better = judged("task_driven_dictionary")["better"]
    assert better["at_least"] > 0
    assert better["control"] == "unsupervised"


WITHOUT_CONTROL = {  # each is named, with the reason, in docs/decisions.md
    *(("psd", name) for name in ("alive", "control")),
    *(("psd_mnist", name) for name in ("alive", "cheap")),
    *(("sparse_coding", name) for name in ("alive", "control")),
    *(("lista", name) for name in ("deeper", "order_1")),
    ("lcod", "cheaper"),
    ("convolutional_psd", "one"),
    *(("drsae", name) for name in ("parts_first", "wait")),
    *(("boltzmann_machine", name) for name in ("flow", "ratios", "pseudo")),
    ("rbm_noise_contrastive", "constant"),
    ("gan", "balanced"),
    *(("psd_hierarchy", name) for name in ("learned", "rectified")),
    *(("pedestrian_convnet", name) for name in ("pretraining", "fine")),
    *(("factor_analysis", "normalised"), ("toy/gmm", "normalised"), ("toy/likelihood", "grid")),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_judged_claim_has_a_control_or_a_reason_to_have_none(name: str) -> None:
    without = {claim for claim, each in judged(name).items() if not each.get("control")}
    assert without == {claim for spec, claim in WITHOUT_CONTROL if spec == name}
    reasons = " ".join((folder().parent / "docs" / "decisions.md").read_text("utf-8").split())
    assert all(f"`{name} {claim}`" in reasons for claim in without)
