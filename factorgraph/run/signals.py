"""Stopping a run by hand: the first Ctrl-C or SIGTERM lets the step end and the run be saved, the second ends the process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SAME_PRESS = 0.2  # seconds in which a repeated signal is the same wish: `timeout` and schedulers send theirs twice
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While it is entered, a first signal is a request that the loop reads; leaving it restores what was there.

    ``on_request`` is called once, from the signal handler, with the signal's name. Outside the main thread, where Python delivers
    no signals, nothing is installed and nothing is ever requested. A signal that the process was told to ignore stays ignored.
    """

    def __init__(self, on_request: Callable[[str], None] | None = None):
        self.signal: signal.Signals | None = None
        self._on_request = on_request
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the loop is to end after this step."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What the process ends with: 130 after Ctrl-C, 143 after SIGTERM, 0 without a request."""
        return 128 + self.signal if self.signal is not None else 0

    @property
    def reason(self) -> str:
        """The exit reason for ``run.json``: ``interrupted (SIGINT)``."""
        return f"interrupted ({self.signal.name})" if self.signal is not None else ""

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                if signal.getsignal(each) is not signal.SIG_IGN:
                    self._before[each] = signal.signal(each, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each, handler in self._before.items():
            signal.signal(each, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._since = signal.Signals(number), now
            if self._on_request is not None:
                self._on_request(self.signal.name)
        elif now - self._since >= SAME_PRESS:
            signal.signal(number, signal.SIG_DFL)  # ends as an untouched process would, so that shells see the signal
            os.kill(os.getpid(), number)
