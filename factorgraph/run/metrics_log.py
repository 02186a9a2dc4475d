"""The numbers of a run over time: ``metrics.jsonl``, one JSON object a line, the truth from which curves and tables are derived.

A row holds no clock time, so that a resumed run writes the same bytes as one that was never stopped. A number that is not finite
is written as the text ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, because JSON has no such numbers, and read back as a number.
What a step did not measure has no number in its row: the energy where a loss is about codes alone, factors that it does not see.
Rows of a step are written before the step's checkpoint, which forces them to the disk.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from factorgraph.errors import RunError, issue
from factorgraph.run.files import FILES, Files, RefusedError, atomic_write, explain_failure, parse_json, read_bounded, write_all

LOG_LIMIT = 2**30  # bytes of the whole file
ROW_LIMIT = 2**20  # bytes of one row
WORDS = frozenset({"phase", "player", "split"})  # columns whose "NaN" is a name
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class MetricsLog:
    """Appends rows to a file and reads them back. The file is opened with the first row."""

    def __init__(self, path: Path, files: Files = FILES):
        self.path = path
        self._files = files
        self._handle: int | None = None
        self._size = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row, visible to every reader at once. ``row`` has a whole number ``step``; values are JSON's.

        Raises RunError FG604, FG605, FG610; then the file ends with the row before.
        """
        try:
            text = _encode(row)
        except ValueError:  # a number that is not finite: rare, so that the usual row pays nothing
            text = _encode(_spelled_out(row))
        assert type(row["step"]) is int, "a row of metrics says its step"
        data = text.encode() + b"\n"
        handle = self._open() if self._handle is None else self._handle
        try:
            write_all(handle, data, self._files)
        except OSError as reason:
            with contextlib.suppress(OSError):
                self._files.cut(handle, self._size)
            explain_failure(reason, "writing metrics", self.path.parent, len(data), "earlier rows and checkpoints are whole")
        self._size += len(data)

    def sync(self) -> None:
        """Force the rows so far to the disk."""
        if self._handle is not None:
            try:
                self._files.fsync(self._handle)
            except OSError as reason:
                explain_failure(reason, "writing metrics", self.path.parent, 0, "earlier checkpoints are whole")

    def close(self) -> None:
        """Let go of the file; the next row opens it again. Raises RunError as :meth:`append` does."""
        handle, self._handle = self._handle, None
        if handle is not None:
            try:
                self._files.close(handle)
            except OSError as reason:
                explain_failure(reason, "writing metrics", self.path.parent, 0, "earlier checkpoints are whole")

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows in order. A last line that a crash cut is left out. Raises RunError FG608 for a line that is no row."""
        for number, line in enumerate(self._lines(), start=1):
            yield _row(line, number, self.path)

    def truncate(self, step: int) -> int:
        """Drop the rows after a step and a cut last line; the others keep their bytes. Says how many rows went."""
        self.close()
        lines = self._lines()
        kept = [line for number, line in enumerate(lines, start=1) if _row(line, number, self.path)["step"] <= step]
        data = b"".join(kept)
        if self.path.exists() and len(data) != self.path.stat().st_size:
            atomic_write(self.path, data, self._files, kept="all rows are there")
        return len(lines) - len(kept)

    def _open(self) -> int:
        """Open for appending, behind the last whole row."""
        size = sum(map(len, self._lines()))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        try:
            handle = self._files.open(self.path, flags)
            if os.fstat(handle).st_size != size:
                self._files.cut(handle, size)
        except OSError as reason:
            explain_failure(reason, "opening the metrics", self.path.parent, 0, "earlier rows and checkpoints are whole")
        self._handle, self._size = handle, size
        return handle

    def _lines(self) -> list[bytes]:
        """The whole lines, each with its newline."""
        try:
            data = read_bounded(self.path, LOG_LIMIT)
        except FileNotFoundError:
            return []
        except RefusedError as reason:
            raise RunError(issue("FG608", f"{self.path.name} {reason}", notes=(str(self.path),))) from reason
        return [line + b"\n" for line in data.split(b"\n")[:-1]]  # behind the last newline is nothing, or a row that was cut


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        if len(line) > ROW_LIMIT:
            raise RefusedError("is too long")
        row = parse_json(line)
        if not isinstance(row, dict) or type(row.get("step")) is not int:
            raise RefusedError("is not a row with a step")
    except RefusedError as reason:
        raise RunError(issue("FG608", f"line {number} of {path.name} {reason}", notes=(str(path),))) from reason
    found = {key: value if key in WORDS else _as_number(value) for key, value in row.items()}
    return _measured(found) if isinstance(found.get("shares"), dict) else found


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    """A row without an energy that its step did not see, for which earlier versions wrote 0."""
    blind = row.get("loss") and not any(row["shares"].values())
    return {key: value for key, value in row.items() if key not in ("energy", "shares")} if blind else row


def _as_number(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_number(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_number(each) for each in value]
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _spelled_out(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _spelled_out(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled_out(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
