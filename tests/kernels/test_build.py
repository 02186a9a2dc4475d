"""Kernels are compiled once, into a folder of the user's own, and nothing fails where they cannot be."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factorgraph.kernels import build

TINY = 'extern "C" int answer() { return 42; }\n'
OWN = next((found for each in build.COMPILERS if (found := shutil.which(each))), None)
WHY = build.missing("active_set") or ("" if OWN else "this machine has no compiler of its own")
compiling = pytest.mark.skipif(bool(WHY), reason=WHY)
load = build.library.__wrapped__  # each call as in a process of its own
REAL = importlib.util.find_spec(build.PACKAGE)
NOTHING = 'there is no C++ compiler (g++, clang++, c++); install one, or pip install "factorgraph-ebm[compiler]"'
CATCHING = """
#include <memory>
#include <thread>
#include <vector>
extern "C" int answer(long count) {  // threads, memory, and what is thrown and caught, of the library that comes with a compiler
  int found = 0;
  std::thread([&] { found = 42; }).join();
  try { return int(std::vector<double>(count).size()) ? found : 0; } catch (const std::exception &) { return -found; }
}
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setitem(sys.modules, build.PACKAGE, None)  # as where it is not installed
    return tmp_path / "cache" / "factorgraph" / "kernels"


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(build, "_source", lambda name: TINY)


def compiler(monkeypatch, tmp_path, script):
    """A compiler of that name that does what a script says, and no other one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "g++").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def package(monkeypatch, tmp_path, script):
    """A package with a compiler that does what a script says; to import it is a mistake."""
    folder = tmp_path / "site" / build.PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('imported')\n")
    (folder / "zig").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "zig").chmod(0o755)
    monkeypatch.delitem(sys.modules, build.PACKAGE)
    monkeypatch.syspath_prepend(folder.parent)
    return folder / "zig"


@compiling
def test_it_is_compiled_once_and_then_loaded(tiny, cache, monkeypatch):
    assert load("tiny").answer() == 42
    (made,) = cache.iterdir()
    assert made.suffix == ".so" and not made.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert not cache.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("it was compiled again"))
    assert load("tiny").answer() == 42


@compiling
def test_processes_that_compile_at_once_do_not_meet(tiny, cache):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(load, ["tiny"] * 4))
    assert [each.answer() for each in found] == [42] * 4
    assert [each.suffix for each in cache.iterdir()] == [".so"]


@compiling
@pytest.mark.parametrize("what", ["_source", "_processor"])
def test_another_source_or_processor_has_a_kernel_of_its_own(tiny, cache, monkeypatch, what):
    load("tiny")
    monkeypatch.setattr(build, what, lambda *_: TINY.replace("42", "43"))
    assert load("tiny").answer() == (43 if what == "_source" else 42)
    assert len(list(cache.iterdir())) == 2


def test_without_a_compiler_there_is_a_reason_and_no_kernel(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.missing("active_set") == NOTHING
    assert load("active_set") is None


def test_what_is_switched_off_is_neither_compiled_nor_loaded(monkeypatch, cache):
    monkeypatch.setenv(build.SWITCH, "0")
    assert load("active_set") is None and not cache.exists()
    assert build.missing("active_set") == "FACTORGRAPH_COMPILED is 0"


def test_a_compiler_that_fails_is_asked_once_and_quoted(monkeypatch, tmp_path, cache):
    compiler(monkeypatch, tmp_path, f"echo once >> {tmp_path}/asked; echo 'x.cpp:3: error: no such thing' >&2; exit 1")
    assert build.missing("active_set") == ""  # nobody knows yet
    assert load("active_set") is None and load("active_set") is None
    assert build.missing("active_set") == "g++ did not compile it: x.cpp:3: error: no such thing"
    assert (tmp_path / "asked").read_text() == "once\n"
    assert [each.suffix for each in cache.iterdir()] == [".failed"]


def test_what_failed_a_day_ago_is_tried_again(monkeypatch, tmp_path, cache):
    compiler(monkeypatch, tmp_path, f"echo once >> {tmp_path}/asked; echo 'error: No space left on device' >&2; exit 1")
    assert load("active_set") is None
    (failed,) = cache.iterdir()
    os.utime(failed, (0, 0))
    assert build.missing("active_set") == "" and load("active_set") is None
    assert (tmp_path / "asked").read_text() == "once\nonce\n"
    assert build.missing("active_set").endswith("No space left on device")


def test_a_compiler_that_is_ended_has_refused_nothing(monkeypatch, tmp_path, cache):
    """As by the Ctrl-C with which a training is stopped."""
    compiler(monkeypatch, tmp_path, "kill -INT $$")
    assert load("active_set") is None
    assert build.missing("active_set") == "" and list(cache.iterdir()) == []


def test_a_compiler_works_where_what_it_leaves_goes(monkeypatch, tmp_path):
    compiler(monkeypatch, tmp_path, f'(echo "$LC_ALL"; [ "$TMPDIR" = "$PWD" ] || echo elsewhere) > {tmp_path}/asked')
    assert load("active_set") is None
    assert (tmp_path / "asked").read_text() == "C\n"


@pytest.mark.parametrize("error", [RuntimeError("no home"), PermissionError("not yours")])
def test_a_cache_that_nobody_can_find_or_read_is_told(monkeypatch, tmp_path, error):
    def cache_dir(name):
        raise error

    compiler(monkeypatch, tmp_path, "exit 1")
    monkeypatch.setattr("platformdirs.user_cache_dir", cache_dir)
    assert build.missing("active_set") == f"there is no folder for kernels: {error}"
    assert load("active_set") is None


def test_a_cache_that_cannot_be_written_is_told_before_it_is_tried(monkeypatch, tmp_path):
    compiler(monkeypatch, tmp_path, "exit 1")
    monkeypatch.setattr(os, "access", lambda path, mode, **_: path != tmp_path)
    monkeypatch.setattr(build.shutil, "which", lambda name: str(tmp_path / "bin" / "g++"))
    assert build.missing("active_set") == f"{tmp_path} cannot be written"
    assert load("active_set") is None


def test_what_a_compiler_made_may_be_no_library(monkeypatch, tmp_path):
    compiler(monkeypatch, tmp_path, 'while [ "$1" != -o ]; do shift; done; echo nonsense > "$2"')
    assert load("active_set") is None
    assert build.missing("active_set").startswith("what g++ made of it cannot be loaded: ")


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_can_write_is_not_trusted(tiny, cache, mode):
    cache.mkdir(parents=True)
    cache.chmod(mode)
    assert load("tiny") is None
    assert list(cache.iterdir()) == []
    assert build.missing("tiny") in (f"others can write {cache}", NOTHING)


def test_a_cache_that_cannot_be_made_is_no_kernel(tiny, cache):
    cache.parent.parent.write_text("a file where the folder should be")
    assert load("tiny") is None


@compiling
def test_the_kernel_has_its_doors():
    kernel = build.library("active_set")
    assert all(isinstance(getattr(kernel, f"active_set_{kind}"), ctypes._CFuncPtr) for kind in ("float", "double"))


@compiling
def test_where_the_machine_has_no_compiler_that_of_a_package_serves(monkeypatch, tmp_path, tiny, cache, capfd):
    """The package's here hands on to the machine's, and writes down what it was asked."""
    asked = tmp_path / "asked"
    note = f'(echo "$1"; echo "$ZIG_GLOBAL_CACHE_DIR"; echo "$ZIG_LOCAL_CACHE_DIR") > {asked}'
    package(monkeypatch, tmp_path, f'{note}; shift; PATH={os.environ["PATH"]} exec {OWN} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.missing("tiny") == "" and not asked.exists()  # nothing is run to know that
    assert load("tiny").answer() == 42
    word, kept, work = asked.read_text().splitlines()
    assert (word, kept) == ("c++", str(cache / "ziglang"))
    assert work.startswith(f"{cache}{os.sep}") and not Path(work).exists()
    told = capfd.readouterr().err
    assert told == "ziglang compiles tiny: the first kernel takes about a minute, each other one seconds, once\n"
    assert load("tiny").answer() == 42 and not capfd.readouterr().err


def test_a_compiler_of_the_machine_comes_first_and_gives_way_where_it_refuses(monkeypatch, tmp_path, cache):
    """As where a command of that name only says what is to be installed."""
    package(monkeypatch, tmp_path, f"echo zig >> {tmp_path}/asked; echo 'error: no zig' >&2; exit 1")
    compiler(monkeypatch, tmp_path, f"echo g++ >> {tmp_path}/asked; echo 'error: no g++' >&2; exit 1")
    assert build.missing("active_set") == ""
    assert load("active_set") is None and load("active_set") is None
    assert (tmp_path / "asked").read_text() == "g++\nzig\n"
    assert build.missing("active_set") == "g++ did not compile it: error: no g++; zig did not compile it: error: no zig"


def test_a_compiler_that_is_ended_gives_way_to_none(monkeypatch, tmp_path):
    package(monkeypatch, tmp_path, f"echo zig >> {tmp_path}/asked")
    compiler(monkeypatch, tmp_path, "kill -INT $$")
    assert load("active_set") is None and not (tmp_path / "asked").exists()


def test_another_version_of_the_package_has_a_kernel_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    zig = package(monkeypatch, tmp_path, "exit 1")
    (command,) = build._compilers()
    assert command == (str(zig), "c++")
    before = build._place("active_set", command)
    os.utime(zig, (1, 1))
    assert build._place("active_set", command) != before


def test_a_package_without_a_program_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    package(monkeypatch, tmp_path, "exit 1").unlink()
    assert build.missing("active_set") == NOTHING


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="ziglang, of the extra [compiler], is not installed")
def test_what_the_compiler_of_the_package_makes_loads_and_catches_what_is_thrown(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, build.PACKAGE)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(build, "_source", lambda name: CATCHING)
    answer = load("catching").answer
    assert answer(ctypes.c_long(3)) == 42 and answer(ctypes.c_long(-1)) == -42
