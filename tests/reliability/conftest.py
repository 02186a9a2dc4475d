"""A disk that fails when it is told to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factorgraph.run.files import Files

CALLS = ("make_folder", "open", "write", "fsync", "cut", "reserve", "close", "rename", "unlink", "remove_folder")


class FailingFiles(Files):
    """The operating system, whose call number ``at`` fails with ``error``; with ``onwards`` every later one too."""

    def __init__(self, at: int, error: int, onwards: bool = False):
        self.at, self.error, self.onwards = at, error, onwards
        self.count = 0
        self.failed: list[str] = []

    def _call(self, name: str, *arguments: Any) -> Any:
        self.count += 1
        if self.count == self.at or (self.onwards and self.count > self.at):
            self.failed.append(name)
            if name == "write":  # a disk fills in the middle of a write
                os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if name == "close":
                os.close(arguments[0])
            if name == "remove_folder":  # a part is gone already
                with contextlib.suppress(StopIteration):
                    next(Path(arguments[0]).iterdir()).unlink()
            raise OSError(self.error, os.strerror(self.error))
        return None if name == "fsync" else getattr(super(), name)(*arguments)  # no power is cut here, and a real one takes long


def _method(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._call(name, *arguments)


for _name in CALLS:
    setattr(FailingFiles, _name, _method(_name))


@pytest.fixture
def failing() -> type[FailingFiles]:
    """The class of failing disks."""
    assert {name for name in vars(Files) if not name.startswith("_")} == set(CALLS), "every call can be made to fail"
    return FailingFiles
