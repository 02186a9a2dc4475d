"""A first signal asks, a second one ends, and everything is as before afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from factorgraph.run.signals import SAME_PRESS, StopRequest

LOOP = """
import sys, time
from factorgraph.run.signals import StopRequest
steps = float(sys.argv[1])
with StopRequest(lambda name: print("asked by", name, flush=True)) as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    time.sleep(steps)  # the step that was begun
    print("saved", stop.reason, flush=True)
sys.exit(stop.exit_code)
"""


def _start(step: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", LOOP, str(step)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_the_step_end_and_the_run_be_saved(number: signal.Signals, code: int) -> None:
    process = _start(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert out == f"asked by {number.name}\nsaved interrupted ({number.name})\n"
    assert process.returncode == code


def test_a_second_signal_ends_the_process_at_once() -> None:
    process = _start(50)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.readline() == "asked by SIGINT\n"
    time.sleep(SAME_PRESS + 0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == -signal.SIGTERM
    assert process.stdout.read() == ""


def test_a_signal_that_arrives_twice_in_one_press_is_one_request() -> None:
    """As `timeout` sends it: to the process and to its group."""
    process = _start(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None and process.stdout.readline() == "asked by SIGTERM\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == "saved interrupted (SIGTERM)\n"
    assert process.returncode == 143


def test_the_handlers_are_what_they_were_also_after_an_error() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), StopRequest():
        assert signal.getsignal(signal.SIGINT) is not before[0]
        1 / 0
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not stop.requested
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_request_the_exit_code_is_nought_and_another_thread_installs_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with StopRequest() as stop:
            seen.extend([stop.requested, stop.exit_code, stop.reason, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, 0, "", before]
