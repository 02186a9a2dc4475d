"""Where the data are said to be, a test that is skipped because they are missing fails."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Any

import pytest

MISSING = re.compile(r"FACTORGRAPH_DATA|comes? with scikit-learn")  # what a skip for want of data says


def _insist(report: Any) -> Any:
    if report.skipped and os.environ.get("FACTORGRAPH_DATA") and isinstance(report.longrepr, tuple):
        file, line, reason = report.longrepr
        if MISSING.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{file}:{line}: FACTORGRAPH_DATA is set, and yet: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _insist((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _insist((yield))
