"""The record of what specs claim and what came out, one row a claim, and the page that is made from it."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import RunError, SpecError, issue
from factorgraph.run.claims import shown
from factorgraph.run.files import atomic_write
from factorgraph.run.folder import now
from factorgraph.spec.load import folder
from factorgraph.version import __version__

if TYPE_CHECKING:
    from factorgraph.run.claims import Verdict
    from factorgraph.spec.schema import Spec
    from factorgraph.training.reproduce import Reproduction

Record = dict[str, dict[str, dict[str, Any]]]  # spec: claim: row

HEAD = """\
# Claims

What each spec says that its model does, and what came out on held-out data: the median of the seeds, or what else the claim takes
of them, with the range where there are several. A control is a variant, or the untrained model (`start`), under which it must
fail. A source is where the claim stands, and how its threshold came about: *calibrated* figures are those of small experiments
with other code, made before the spec was trained. Seconds are those of learning, all runs of the spec together. `factorgraph
reproduce SPEC --table PAGE.md` renews the rows of one spec, here and in the record that lies beside this page.
"""
COLUMNS = ("claim", "figure", "ours", "threshold", "verdict", "published", "source", "control", "s", "checked")


def record_of(page: Path) -> Path:
    """Where the record of a page lies."""
    return page.with_suffix(".json")


def read(page: Path) -> Record:
    """The record beside a page; empty where there is none."""
    path = record_of(page)
    if not path.exists():
        return {}
    try:
        found: Record = json.loads(path.read_text("utf-8"))
        text(found)
    except (ValueError, TypeError, KeyError, AttributeError) as reason:
        what = f"{path} is not a record of claims that this version reads: {reason!r}"
        raise RunError(issue("FG647", what, fix="remove it, and it is written anew")) from None
    return found


def note(page: Path, made: Reproduction) -> None:
    """Renew a spec's rows in a record, and the page that is made from it. Rows of other specs, or of other budgets, stay."""
    record = read(page)
    name = name_of(made.spec)
    before = record.get(name, {})
    checked = {"commit": commit(), "date": now()}
    rows = {each.name: _row(each, made, checked) if _is_about(each, made) else before.get(each.name) for each in made.verdicts}
    record[name] = {claim: row for claim, row in rows.items() if row is not None}
    page.parent.mkdir(parents=True, exist_ok=True)
    ordered = {spec: record[spec] for spec in sorted(record) if record[spec]}
    atomic_write(record_of(page), (json.dumps(ordered, indent=1, ensure_ascii=False) + "\n").encode())
    atomic_write(page, text(ordered).encode())


def require_seeds(spec: Spec, seeds: int) -> None:
    """Refuse fewer seeds than a claim asks for: its row would lose some."""
    for name, claim in spec.expect.items():
        if claim.seeds > seeds:
            what = f'the claim "{name}" is about {claim.seeds} seeds, and a row of {seeds} would take the place of theirs'
            where = ("expect", name, "seeds")
            raise SpecError(spec.document.locate(issue("FG665", what, where, fix="leave out --seeds, or --table")))


def text(record: Record) -> str:
    """The page that shows a record: a table for each spec."""
    parts = [HEAD]
    for name, rows in record.items():
        cells = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(row) for row in rows.values())]
        parts.append(f"\n## {name}\n\n" + "".join(f"| {' | '.join(each)} |\n" for each in cells))
    return "".join(parts)


def name_of(spec: Spec) -> str:
    """What a spec is called in the record: as it is loaded by name, if it ships."""
    file, home = Path(spec.document.file), folder()
    return file.relative_to(home).with_suffix("").as_posix() if file.is_relative_to(home) else spec.name


def commit() -> str:
    """The commit of the checkout that this package lies in, with a + if it was edited since; without one the version."""
    root = folder().parent
    return _head(root / ".git") + ("+" if _is_edited(root) else "")


def _is_edited(root: Path) -> bool:
    """Whether what figures depend on is not as it was committed. Nobody can tell without git, or outside of a checkout."""
    if not (root / ".git").exists():
        return False
    words = ["git", "-C", str(root), "status", "--porcelain", "--", "factorgraph", "specs"]
    with contextlib.suppress(OSError):
        return bool(subprocess.run(words, capture_output=True, check=False).stdout)
    return False


def _head(git: Path) -> str:
    with contextlib.suppress(OSError):
        if git.is_file():
            git = Path(git.read_text("utf-8").strip().removeprefix("gitdir: "))
        head = (git / "HEAD").read_text("utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:10]
        if (git / "commondir").is_file():  # where a second checkout of one repository finds its branches
            git /= (git / "commondir").read_text("utf-8").strip()
        if (git / name).is_file():
            return (git / name).read_text("utf-8").strip()[:10]
        packed = [line.split() for line in (git / "packed-refs").read_text("utf-8").splitlines()]
        return next((line[0][:10] for line in packed if line[1:] == [name]), __version__)
    return __version__


def _is_about(verdict: Verdict, made: Reproduction) -> bool:
    return made.spec.expect[verdict.name].budget == made.budget and verdict.verdict != "not measured"


def _row(verdict: Verdict, made: Reproduction, checked: Mapping[str, str]) -> dict[str, Any]:
    claim = made.spec.expect[verdict.name]
    figures = {key: each for key, each in verdict.as_dict().items() if key not in ("name", "why")}
    about = {"control_is": claim.control, "take": claim.take, "budget": made.budget, "seconds": round(made.learned)}
    return {**figures, **about, **checked, "fingerprint": made.fingerprint}


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    controlled = f"`{row['control_is']}`: {_shown(row['control'])}" if row["control_is"] else ""
    checked = f"{row['date'][:10]}, {row['commit']}"
    words = (row["claim"], f"`{row['metric']}`", _ours(row), row["bound"], row["verdict"], row["published"], row["source"])
    return tuple(each.replace("|", "\\|") for each in (*words, controlled, str(row["seconds"]), checked))


def _ours(row: Mapping[str, Any]) -> str:
    """What was measured; of several seeds how it was taken, and the range at each slot."""
    if len(row["seeds"]) < 2:
        return _shown(row["values"])
    ranges = [[each for each in slot if each is not None] for slot in zip(*row["seeds"], strict=True)]
    spread = ", ".join(f"{_shown([min(each)])} to {_shown([max(each)])}" for each in ranges if each)
    return f"{_shown(row['values'])} ({row['take']} of {len(row['seeds'])}: {spread})"


def _shown(values: list[float | None]) -> str:
    return shown(tuple(math.nan if each is None else each for each in values))
