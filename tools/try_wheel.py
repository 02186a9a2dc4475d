"""Builds the wheel, installs it into an environment of its own outside the checkout, and tries every spec that ships there.

Each spec is validated, drawn and trained at its smallest size, from the wheel alone: in an empty folder, with no path to the
checkout and no data but what packages carry; a spec of a published set says which set is missing. Packages are lent by the
environment that runs this, so that nothing large is installed twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MISSING = "FG525"  # the code of a published set that is not here
SMALL = "600"  # samples


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="factorgraph wheel ") as name:
        home = Path(name)
        wheel = timed("the wheel is built", lambda: build(home))
        timed("what it must carry is there", lambda: check_contents(wheel))
        python = timed("it is installed, outside the checkout", lambda: install(home, wheel))
        tries = home / "tries"
        tries.mkdir()
        timed("the command says its version", lambda: run(python, tries, "--version"))
        failed = [spec for spec in shipped() if not try_spec(python, tries, spec)]
    print(f"failed: {', '.join(failed)}" if failed else "every spec that ships works from the wheel")
    return 1 if failed else 0


def timed(title: str, what):
    begin = time.monotonic()
    found = what()
    print(f"{time.monotonic() - begin:6.1f} s  {title}", flush=True)
    return found


def build(home: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(home / "dist"), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    (wheel,) = (home / "dist").glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Every module, page and spec of the checkout is in the wheel, and nothing of the tests."""
    held = set(zipfile.ZipFile(wheel).namelist())
    package, specs = ROOT / "factorgraph", ROOT / "specs"
    wanted = {each.relative_to(ROOT).as_posix() for each in package.rglob("*") if each.suffix in (".py", ".md")}
    wanted.add("factorgraph/py.typed")
    wanted |= {f"factorgraph/shipped/{each.relative_to(specs).as_posix()}" for each in specs.rglob("*.yaml")}
    lacking = sorted(wanted - held)
    foreign = sorted(each for each in held if each.startswith(("tests/", "docs/", "tools/", "specs/")))
    if lacking or foreign:
        sys.exit(f"the wheel lacks {lacking} and should not hold {foreign}")


def install(home: Path, wheel: Path) -> Path:
    environment = home / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    target = sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)})
    # What a .pth file lends comes last on the path; .pth files in there (an editable install's, of the checkout) are not read.
    (Path(target) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    where = said_by(python, home, "import factorgraph; print(factorgraph.__file__)")
    if not where.startswith(str(environment)):
        sys.exit(f"the import finds {where}, not the wheel")
    return python


def clean() -> dict[str, str]:
    """The surroundings of a user who has never seen the checkout and has fetched no data."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FACTORGRAPH_DATA")}


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(python.parent / "factorgraph"), *words]
    done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: a claim fails, as it may after two steps
        print(f"\nfactorgraph {' '.join(words)}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def shipped() -> list[str]:
    names = (each.relative_to(ROOT / "specs").with_suffix("").as_posix() for each in sorted((ROOT / "specs").rglob("*.yaml")))
    return [name for name in names if not name.startswith(("drafts/", "fragments/"))]


def try_spec(python: Path, tries: Path, spec: str) -> bool:
    begin = time.monotonic()
    folder = tries / spec.replace("/", "-")
    folder.mkdir()
    picture = "drawn.svg"
    good = run(python, folder, "validate", spec).returncode == 0
    good &= run(python, folder, "render", spec, "-o", picture).returncode == 0 and (folder / picture).stat().st_size > 1000
    done = run(python, folder, "reproduce", spec, "--budget", "smoke", "--out", "runs", "--set", f"data.count={SMALL}")
    trains = done.returncode in (0, 1) and any(folder.glob("runs/**/done"))
    lacks = MISSING in done.stderr
    good &= trains or lacks
    word = "validates, draws, " + ("trains" if trains else "and its data are not on this machine")
    print(f"{time.monotonic() - begin:6.1f} s  {spec}: {word if good else 'FAILED'}", flush=True)
    return good


def said_by(python: Path, folder: Path, code: str) -> str:
    done = subprocess.run([str(python), "-c", code], cwd=folder, env=clean(), capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
