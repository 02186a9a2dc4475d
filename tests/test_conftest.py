"""A test that is skipped for want of data is a failure where FACTORGRAPH_DATA is set, and a skip elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SKIPS = """
import pytest

@pytest.fixture
def photographs():
    pytest.importorskip("no_such_module", reason="the photographs come with scikit-learn")

def test_on_a_set():
    pytest.skip("MNIST is neither in FACTORGRAPH_DATA nor elsewhere")

def test_on_photographs(photographs):
    pass

def test_on_a_disk():
    pytest.skip("there is no second file system")
"""
WHOLE = 'import pytest\npytest.skip("the digits come with scikit-learn", allow_module_level=True)\n'


@pytest.mark.parametrize(("data", "failed", "skipped", "errors"), [("somewhere", 1, 1, 2), ("", 0, 4, 0)])
def test_a_skip_for_want_of_data(tmp_path: Path, data: str, failed: int, skipped: int, errors: int) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_skips.py").write_text(SKIPS)
    (tmp_path / "test_whole.py").write_text(WHOLE)
    setting = {**os.environ, "FACTORGRAPH_DATA": data}
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest", "--continue-on-collection-errors")
    words = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, env=setting, capture_output=True, text=True, check=False)
    found = {what: int(number) for number, what in re.findall(r"(\d+) (failed|skipped|error)", done.stdout)}
    assert found == {key: n for key, n in (("failed", failed), ("skipped", skipped), ("error", errors)) if n}, done.stdout
    assert done.returncode == (1 if data else 0)
    assert ("FACTORGRAPH_DATA is set, and yet: " in done.stdout) == bool(data)


def test_every_skip_of_a_test_for_want_of_data_says_so_in_words_that_are_known() -> None:
    """A test that looks for a set names FACTORGRAPH_DATA in its reason."""
    for path in HERE.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if path != Path(__file__) and re.search(r"\.found\(\(", text) and "pytest.skip(" in text:
            assert "FACTORGRAPH_DATA" in re.findall(r"pytest\.skip\((.*)\)", text)[-1], path
