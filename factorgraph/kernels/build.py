"""Kernels in C++: their source ships with the package, and is compiled once, where it is first used, into the user's cache.

The machine's own compiler serves; where it has none, or one that refuses, that of a Python package, if that is installed. Nothing
depends on kernels: where there is neither, or a kernel cannot be compiled or loaded, solvers do the same in torch.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

SWITCH = "FACTORGRAPH_COMPILED"  # 0: nothing is compiled, and nothing that was is loaded
SHARED = "shared.h"
COMPILERS = ("g++", "clang++", "c++")
PACKAGE = "ziglang"  # clang with all that it needs, headers and libraries, as a wheel
INSTALL = 'pip install "factorgraph-ebm[compiler]"'
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-pthread")
PATIENCE = 600  # seconds for a compiler; it takes three, that of the package first a minute for a library of its own
REMEMBERED = 24 * 3600  # seconds for which a failure is: what it failed by, a full disk perhaps, may have passed


def missing(name: str) -> str:
    """Why a kernel does not serve here, in words; empty where it does, as far as that is known before it is first used."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH} is 0"
    if os.name != "posix":
        return f"kernels are compiled on Linux and macOS, and this is {platform.system()}"
    compilers = _compilers()
    if not compilers:
        return f"there is no C++ compiler ({', '.join(COMPILERS)}); install one, or {INSTALL}"
    try:
        refusals = [_refusal(_place(name, each)) for each in compilers]
    except (OSError, RuntimeError) as error:  # a folder that may not be read; a user without a home
        return f"there is no folder for kernels: {error}"
    return "; ".join(dict.fromkeys(refusals)) if all(refusals) else ""


def _refusal(place: Path) -> str:
    """What is known against a kernel at its place; empty where nothing is."""
    folder, failed = place.parent, place.with_suffix(".failed")
    if _is_there(folder) and not _is_own(folder):
        return f"others can write {folder}"
    if _is_there(failed) and time.time() - failed.stat().st_mtime < REMEMBERED:
        return failed.read_text(encoding="utf-8", errors="replace")
    nearest = next(each for each in (folder, *folder.parents) if _is_there(each))
    return "" if _is_there(place) or os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written"


def _is_there(path: Path) -> bool:
    """Raises OSError where that cannot be told."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@cache
def library(name: str) -> ctypes.CDLL | None:
    """A kernel, compiled if it was not yet; ``None`` where it does not serve. What was tried once in a process is not again."""
    if missing(name):
        return None
    for compiler in _compilers():
        try:
            place = _place(name, compiler)
        except OSError:  # it has just been removed
            continue
        found = None if _refusal(place) else _made(name, compiler, place)
        if found is not None or not _refusal(place):  # only one that refuses gives way to the next, not one that was ended
            return found
    return None


def _made(name: str, compiler: tuple[str, ...], place: Path) -> ctypes.CDLL | None:
    """By one compiler; what it refuses is remembered."""
    import subprocess

    failed, by = place.with_suffix(".failed"), Path(compiler[0]).name
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(place.parent):
            return None
        if not place.is_file():
            _compile(name, compiler, place)
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:  # somebody ended it
            return None
        _remember(failed, f"{by} did not compile it: {_told(error)}")
        return None
    except (OSError, subprocess.TimeoutExpired):  # a full disk, a busy machine: perhaps another time
        return None
    try:
        return ctypes.CDLL(str(place))
    except OSError as error:
        _remember(failed, f"what {by} made of it cannot be loaded: {error}")
        return None


def _compilers() -> list[tuple[str, ...]]:
    """Commands, the machine's own first; nothing is run or imported to know them."""
    own = next((found for each in COMPILERS if (found := shutil.which(each))), None)
    package = importlib.util.find_spec(PACKAGE)
    packaged = shutil.which(str(Path(package.origin).with_name("zig"))) if package and package.origin else None
    return [*([(own,)] if own else []), *([(packaged, "c++")] if packaged else [])]


def _place(name: str, compiler: tuple[str, ...]) -> Path:
    """Where the kernel lies: under a name of all that it is made from, so that nothing outdated is ever loaded."""
    import platformdirs

    real = Path(compiler[0]).resolve()
    of = (_source(name), str(real), str(real.stat().st_mtime_ns), " ".join(FLAGS), platform.machine(), _processor())
    key = hashlib.sha256("\0".join(of).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("factorgraph")) / "kernels" / f"{name}-{key}.so"


@cache
def _source(name: str) -> str:
    """One text, of which all is in the name that it is kept under: what kernels share stands where it is included."""
    folder = resources.files("factorgraph") / "kernels"
    text = (folder / f"{name}.cpp").read_text(encoding="utf-8")
    return text.replace(f'#include "{SHARED}"', (folder / SHARED).read_text(encoding="utf-8"))


@cache
def _processor() -> str:
    """The instructions that this processor knows: a home folder may be shared by machines that differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()  # which may ask another program
    return next((each for each in lines if each.startswith(("flags", "Features"))), "")


def _is_own(folder: Path) -> bool:
    """Whether nobody else can write a folder."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _compile(name: str, compiler: tuple[str, ...], place: Path) -> None:
    """In a folder of its own; its name comes last, so that several processes do not meet.

    The package's compiler keeps its library of C++ beside the kernels, so that it is made once for all of them.
    """
    import subprocess

    if len(compiler) > 1:
        print(f"{PACKAGE} compiles {name}: the first kernel takes about a minute, each other one seconds, once", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        source, made = Path(work) / f"{name}.cpp", Path(work) / place.name
        source.write_text(_source(name), encoding="utf-8")
        command = [*compiler, *FLAGS, "-o", str(made), str(source)]
        caches = {"ZIG_LOCAL_CACHE_DIR": work, "ZIG_GLOBAL_CACHE_DIR": str(place.parent / PACKAGE)}
        own = {**os.environ, **caches, "LC_ALL": "C", "TMPDIR": work}  # it leaves nothing elsewhere, and its words are known
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", timeout=PATIENCE, cwd=work, env=own)
        made.chmod(0o700)
        made.replace(place)


def _told(error: subprocess.CalledProcessError) -> str:
    lines = error.stderr.splitlines()
    return next((each for each in lines if "error" in each), lines[0] if lines else f"it ended with {error.returncode}").strip()


def _remember(failed: Path, why: str) -> None:
    """For ``explain``, and so that it is not tried again; where that cannot be written, it is."""
    with suppress(OSError):
        failed.write_text(why, encoding="utf-8")
