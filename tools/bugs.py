"""Breaks the code on purpose, one patch at a time, and requires that the tests named in the patch see it.

A patch of ``tests/bugs`` begins with lines ``Bug: what is wrong`` and ``Tests: what pytest is given``. Each is applied to a
copy of the tree; two are tried at once. A test must fail that passes where nothing is broken, which is tried at the end, of
all of them at once: that the code does not even import counts for nothing, and neither does a patch that does not apply any more.
Patches have no lines of context (``git diff -U0``), so that they outlive changes beside them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ("factorgraph", "tests", "specs", "docs", "tools", "pyproject.toml", "README.md")
AT_ONCE = 2
LONGEST = 200  # seconds that the tests of one bug may take
FAILURE = re.compile(r"(?:FAILED|ERROR) (\S+?(\[.*?\])?)( - |$)")  # a name, whose brackets may hold " - "
FAILED = 1  # what pytest ends with where a test failed; 2 to 5 are broken imports, wrong options, no tests


@dataclass(frozen=True)
class Tried:
    name: str
    bug: str
    failed: str  # the test that saw it; "" if none did
    why: str  # none did
    seconds: float


def main(names: list[str]) -> int:
    begin = time.monotonic()
    patches = [each for each in sorted((ROOT / "tests" / "bugs").glob("*.patch")) if not names or each.stem in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = []
        for each in pool.map(try_patch, patches):
            tried.append(each)
            print(f"{each.seconds:6.1f} s  {'caught' if each.failed else 'MISSED'}  {each.name:24} {each.bug}", flush=True)
            print(f"{'':18} {each.failed or each.why}", flush=True)
    always = without_bugs(sorted({each.failed for each in tried if each.failed}))
    for test in always:
        print(f"it fails without a bug as well: {test}")
    missed = [each.name for each in tried if not each.failed or each.failed in always]
    print(f"{len(tried) - len(missed)} of {len(tried)} bugs are caught, {time.monotonic() - begin:.0f} s")
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed or not tried else 0


def try_patch(patch: Path) -> Tried:
    begin = time.monotonic()
    text = patch.read_text(encoding="utf-8")
    bug, tests = header(text, "Bug"), shlex.split(header(text, "Tests"))
    with tempfile.TemporaryDirectory(prefix="bug-") as name:
        failed, why = tried_in(Path(name), patch, tests)
    return Tried(patch.stem, bug, failed, why, time.monotonic() - begin)


def header(text: str, word: str) -> str:
    found = re.search(rf"^{word}: (.+)$", text, re.MULTILINE)
    if found is None:
        sys.exit(f"a patch begins with a line '{word}: ...', and this one does not:\n{text[:200]}")
    return found[1]


def tried_in(folder: Path, patch: Path, tests: list[str]) -> tuple[str, str]:
    copy_to(folder)
    apply = ["git", "apply", "--unidiff-zero", str(patch)]
    applied = subprocess.run(apply, cwd=folder, capture_output=True, text=True, check=False)
    if applied.returncode:
        return "", f"the patch does not apply: {applied.stderr.strip().splitlines()[0]}"
    try:
        status, said = pytest(folder, ["-x", *tests], LONGEST)
    except subprocess.TimeoutExpired:
        return "", f"the tests took more than {LONGEST} s"
    failed = failures(said)
    if status == FAILED and failed:
        return failed[0], ""
    return "", "all its tests pass" if status == 0 else f"pytest ended with {status}: {' '.join(said[-2:])}"


def without_bugs(tests: list[str]) -> list[str]:
    """Those that fail in a tree as it is, all tried at once."""
    if not tests:
        return []
    with tempfile.TemporaryDirectory(prefix="bug-") as name:
        copy_to(Path(name))
        try:
            status, said = pytest(Path(name), ["-n", str(AT_ONCE), *tests], LONGEST * len(tests))
        except subprocess.TimeoutExpired:
            sys.exit(f"without a bug the tests took more than {LONGEST * len(tests)} s")
    failed = failures(said)
    if status not in (0, FAILED) or (status == FAILED and not failed):
        sys.exit(f"without a bug pytest ended with {status}: {' '.join(said[-2:])}")
    return failed


def copy_to(folder: Path) -> None:
    for each in TREE:
        source = ROOT / each
        if source.is_dir():
            shutil.copytree(source, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / each)


def failures(said: list[str]) -> list[str]:
    return [found[1] for line in said if (found := FAILURE.match(line))]


def pytest(folder: Path, given: list[str], seconds: float) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", "", *given]
    setting = {**os.environ, "PYTHONPATH": str(folder), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(command, cwd=folder, env=setting, capture_output=True, text=True, check=False, timeout=seconds)
    return done.returncode, done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
