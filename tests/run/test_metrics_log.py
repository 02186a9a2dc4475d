"""The metrics of a run: every row at once, a cut last line forgiven, the same bytes after a resume."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from factorgraph.errors import RunError
from factorgraph.run.files import Files
from factorgraph.run.metrics_log import MetricsLog


def _row(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": 0, "phase": "warm", "split": "train", "energy": 0.37 * step, "shares": {"fit": 0.1 + 0.2}}


def test_rows_are_there_at_once_and_come_back_exactly(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert list(log.rows()) == []
    for step in range(3):
        log.append(_row(step))
        assert list(MetricsLog(log.path).rows()) == [_row(each) for each in range(step + 1)]
    assert log.path.read_text().splitlines()[1] == (
        '{"step":1,"epoch":0,"phase":"warm","split":"train","energy":0.37,"shares":{"fit":0.30000000000000004}}'
    )


def test_numbers_that_are_not_finite_are_words_in_the_file_and_numbers_for_the_reader(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"step": 1, "phase": "NaN", "energy": math.nan, "shares": {"fit": math.inf}, "list": (-math.inf, 0.37)})
    text = log.path.read_text()
    assert text == '{"step":1,"phase":"NaN","energy":"NaN","shares":{"fit":"Infinity"},"list":["-Infinity",0.37]}\n'
    json.loads(text, parse_constant=pytest.fail)
    (row,) = log.rows()
    assert math.isnan(row["energy"]) and row["shares"]["fit"] == math.inf and row["list"] == [-math.inf, 0.37]
    assert row["phase"] == "NaN"


def test_a_line_that_a_crash_cut_is_forgiven_at_every_byte_and_writing_goes_on_behind_the_last_whole_one(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in range(2):
        log.append(_row(step))
    log.close()
    whole = log.path.read_bytes()
    first = whole.index(b"\n") + 1
    for at in range(first, len(whole)):
        log.path.write_bytes(whole[:at])
        again = MetricsLog(log.path)
        assert [row["step"] for row in again.rows()] == [0]
        again.append(_row(1))
        again.close()
        assert log.path.read_bytes() == whole
    log.path.write_bytes(whole + bytes(37))  # what a power cut leaves on some file systems
    assert [row["step"] for row in log.rows()] == [0, 1]


class _FullOnce(Files):
    """A disk that is full in the middle of the second row."""

    rows = 0

    def write(self, handle: int, data: memoryview | bytes) -> int:
        self.rows += 1
        if self.rows == 2:
            os.write(handle, bytes(data)[:7])
            raise OSError(errno.ENOSPC, "full")
        return super().write(handle, data)


def test_a_row_that_did_not_fit_leaves_no_half_and_the_same_log_goes_on(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", _FullOnce())
    log.append(_row(1))
    with pytest.raises(RunError, match="FG604: disk full while writing metrics"):
        log.append(_row(2))
    log.append(_row(3))
    assert [row["step"] for row in log.rows()] == [1, 3]


def test_going_back_to_a_step_and_on_gives_the_bytes_of_a_run_that_never_stopped(tmp_path: Path) -> None:
    straight = MetricsLog(tmp_path / "straight.jsonl")
    for step in range(7):
        straight.append(_row(step))
    for stop in range(7):
        log = MetricsLog(tmp_path / f"{stop}.jsonl")
        for step in range(7):
            log.append({**_row(step), "energy": math.nan if step > stop else 0.37 * step})
        assert log.truncate(stop) == 6 - stop
        for step in range(stop + 1, 7):
            log.append(_row(step))
        assert log.path.read_bytes() == straight.path.read_bytes()
    assert MetricsLog(tmp_path / "nothing.jsonl").truncate(3) == 0
    assert not (tmp_path / "nothing.jsonl").exists()


def test_going_back_takes_a_cut_line_too(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(_row(1))
    log.close()
    with log.path.open("ab") as file:
        file.write(b'{"step":2,"ene')
    assert log.truncate(5) == 0
    assert log.path.read_bytes().endswith(b"}}\n")


BAD_LINES = ("{}", "[1]", '{"step": "1"}', '{"step": 1', '{"step": true}', '{"step": NaN}', "", '{"step":2}\r{"step":2}')


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_damaged_line_in_the_middle_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n'.encode())
    for read in (lambda: list(MetricsLog(path).rows()), lambda: MetricsLog(path).truncate(1)):
        with pytest.raises(RunError, match=r"FG608: line 2 of metrics.jsonl"):
            read()


def test_a_row_without_a_step_or_with_a_foreign_value_is_our_mistake(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with pytest.raises(AssertionError):
        log.append({"step": 1.0})
    with pytest.raises(TypeError):
        log.append({"step": 1, "energy": object()})
    assert not log.path.exists()


def test_a_row_costs_a_small_multiple_of_its_own_encoding(tmp_path: Path) -> None:
    """A ratio, since clocks differ: encoding the row and one call to the system is all that happens."""
    log = MetricsLog(tmp_path / "metrics.jsonl")
    row = _row(3)
    log.append(row)

    def seconds(act: Any) -> float:
        started = time.perf_counter()
        for _ in range(2000):
            act()
        return (time.perf_counter() - started) / 2000

    appended = min(seconds(lambda: log.append(row)) for _ in range(5))
    encoded = min(seconds(lambda: json.dumps(row)) for _ in range(5))
    print(f"{appended * 1e6:.1f} microseconds a row, {encoded * 1e6:.1f} to encode it", file=sys.stderr)
    assert appended < 20 * encoded


def test_zeros_that_earlier_versions_wrote_for_what_no_step_saw_are_not_read(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    blind = {"step": 1, "phase": "taught", "loss": 0.37, "energy": 0.0, "shares": {"fit": 0.0, "prior": 0.0}}
    seen = {"step": 2, "phase": "joint", "loss": 0.37, "energy": 0.37, "shares": {"fit": 0.37, "prior": 0.0}}
    at_rest = {"step": 3, "phase": "joint", "loss": 0.0, "energy": 0.0, "shares": {"fit": 0.0}}
    for row in (blind, seen, at_rest):
        log.append(row)
    assert list(log.rows()) == [{"step": 1, "phase": "taught", "loss": 0.37}, seen, at_rest]
