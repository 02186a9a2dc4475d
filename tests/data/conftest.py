from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from factorgraph.registry import leaves


def make_step(written):
    """``"center"``, ``("whiten", {"floor": 0.02})`` -> the step."""
    name, options = (written, {}) if isinstance(written, str) else written
    return leaves("steps")[name](**options)


@pytest.fixture
def steps():
    return lambda *written: tuple(make_step(each) for each in written)


@pytest.fixture
def source():
    return lambda name, **options: leaves("data")[name](**options)


@pytest.fixture
def spec_of():
    """What ``load_data`` reads of a spec."""

    def make(source, bind, prepare=(), *, seed=3, count=None, test=None):
        steps = tuple(make_step(each) for each in prepare)
        block = SimpleNamespace(source=source, bind=bind, prepare=steps, count=count, test=test)
        return SimpleNamespace(seed=seed, data=SimpleNamespace(first=block), document=None)

    return make


@pytest.fixture
def photographs(tmp_path):
    """A folder of noise photographs of different sizes: no two patches are equal."""

    def make(sizes, mode="L", name="photographs"):
        folder = tmp_path / name
        folder.mkdir()
        random = np.random.default_rng(5)
        for number, (height, width) in enumerate(sizes):
            shape = (height, width) if mode == "L" else (height, width, 3)
            Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number:02}.png")
        return folder

    return make
