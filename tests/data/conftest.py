from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from factorgraph.registry import leaves


def make_step(written, family="steps"):
    """``"center"``, ``("whiten", {"floor": 0.02})`` -> the step."""
    name, options = (written, {}) if isinstance(written, str) else written
    return leaves(family)[name](**options)


@pytest.fixture
def steps():
    return lambda *written: tuple(make_step(each) for each in written)


@pytest.fixture
def source():
    return lambda name, **options: leaves("data")[name](**options)


@pytest.fixture
def spec_of():
    """What ``load_data`` reads of a spec."""

    def make(source, bind, prepare=(), *, seed=3, **more):
        return specs(seed=seed, only=block(source, bind, prepare, **more))

    return make


def block(source, bind, prepare=(), augment=(), *, count=None, test=None, labelled=None):
    steps = tuple(make_step(each) for each in prepare)
    changes = tuple(make_step(each, "augmentations") for each in augment)
    return SimpleNamespace(
        source=source, bind=bind, prepare=steps, augment=changes, count=count, test=test, labelled=labelled
    )


def specs(*, seed=3, **blocks):
    """``only``: the one source without a name."""
    named = {"": blocks["only"]} if list(blocks) == ["only"] else blocks
    return SimpleNamespace(seed=seed, data=SimpleNamespace(blocks=named, first=next(iter(named.values()))), document=None)


@pytest.fixture
def several():
    """Named sources: ``several(few=block(...), many=block(...))``."""
    return SimpleNamespace(block=block, spec=specs)


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
