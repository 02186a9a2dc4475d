"""Checks what specs claim, for as long as it may take: first the specs that changed, then two that were checked longest ago.

A spec has changed if its file, or a leaf that its runs use, is not what it was when its rows in docs/claims.md were written. Of
those the one that was checked longest ago comes first, those that nobody has timed last. Each is trained anew, at its laptop
size, and renews its rows. None is begun that is known to take longer than what is left, and one that does is stopped; they are
named at the end, and need more --minutes. Ends with 1 if a claim fails, a spec cannot be run, or nothing could be checked though
something was to be; without FACTORGRAPH_DATA, specs of sets that are not here are only named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from factorgraph.spec.load import load, specs
from factorgraph.training.record import read
from factorgraph.training.reproduce import LAPTOP, fingerprint

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "claims.md"
LEAST_RECENT = 2
MISSING = "FG525"  # the code of a published set that is not here
AROUND = 30  # seconds that a reproduction takes beside learning
STOPPING = 60  # seconds that a run has to save its work

Rows = Mapping[str, Any]


def main(minutes: float) -> int:
    begin, record = time.monotonic(), read(PAGE)
    shipped = {each.name: load(each.name) for each in specs() if each.name}
    claiming = {name: spec for name, spec in shipped.items() if any(each.budget == LAPTOP for each in spec.expect.values())}
    todo = in_order(record, {name: fingerprint(spec) for name, spec in claiming.items()}, 60 * minutes)
    failed, left = [], []
    with tempfile.TemporaryDirectory(prefix="claims ") as out:
        for name, why in todo:
            rest = begin + 60 * minutes - time.monotonic()
            if rest < needed(record, name):
                left.append(f"{name} ({why}): {needed(record, name)} s are needed, {max(rest, 0):.0f} s are left")
                continue
            print(f"-- {name}: {why}", flush=True)
            outcome = check(name, Path(out), rest)
            (failed if outcome == "failed" else left if outcome else []).append(f"{name}: {outcome}")
    checked = len(todo) - len(left)
    print(f"checked within {time.monotonic() - begin:.0f} s: {checked} of {len(todo)} specs")
    for text in left:
        print(f"left: {text}")
    for text in failed:
        print(text)
    return 1 if failed or (todo and not checked) else 0


def in_order(record: Mapping[str, Rows], fingerprints: Mapping[str, str], seconds: float) -> list[tuple[str, str]]:
    """The specs to check, each with the reason: those that changed, then of the others that fit the least recently checked."""

    def checked(name: str) -> tuple[str, str]:
        return min((row["date"] for row in laptop(record, name)), default=""), name

    def reason(name: str) -> str:
        rows = laptop(record, name)
        if not rows:
            return "it has no row yet"
        return "it changed" if {row["fingerprint"] for row in rows} != {fingerprints[name]} else ""

    oldest_first = [(name, reason(name)) for name in sorted(fingerprints, key=checked)]
    fresh = [(name, "least recently checked") for name, why in oldest_first if not why and needed(record, name) <= seconds]
    changed = sorted((each for each in oldest_first if each[1]), key=lambda each: not laptop(record, each[0]))
    return changed + fresh[:LEAST_RECENT]


def laptop(record: Mapping[str, Rows], name: str) -> list[Rows]:
    return [row for row in record.get(name, {}).values() if row["budget"] == LAPTOP]


def needed(record: Mapping[str, Rows], name: str) -> int:
    """The seconds that a spec is known to take; next to none where nobody has timed it."""
    return AROUND + max((row["seconds"] for row in laptop(record, name)), default=0)


def check(name: str, out: Path, seconds: float) -> str:
    """Train a spec and judge its claims: empty if they hold, else what became of it."""
    words = [sys.executable, "-m", "factorgraph", "reproduce", name, "--out", str(out), "--table", str(PAGE)]
    with subprocess.Popen(words, cwd=ROOT, text=True, stderr=subprocess.PIPE) as running:
        try:
            said = running.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            stop(running)
            return f"stopped after {seconds:.0f} s"
    if running.returncode == 0:
        return ""
    print(said[-4000:])
    return "its data are not here" if MISSING in said and not os.environ.get("FACTORGRAPH_DATA") else "failed"


def stop(running: subprocess.Popen[str]) -> None:
    running.terminate()
    try:
        running.communicate(timeout=STOPPING)
    except subprocess.TimeoutExpired:
        running.kill()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=10)
    sys.exit(main(options.parse_args().minutes))
