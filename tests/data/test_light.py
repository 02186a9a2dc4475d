"""Naming the data of a spec costs nothing: no heavy package is imported before a sample is read."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from factorgraph.registry import leaves
from factorgraph.data import chain, dataset, division, images, inputs, order, patches, paths, preparation
from factorgraph.data.preparation import check_binding
leaves("data"), leaves("steps")
steps = [leaves("steps")["whiten"](kept=9)]
fields = leaves("data")["natural_patches"](size=7).fields()
assert check_binding({"Y": "image"}, steps, {"Y": (9,)}, fields) == []
heavy = {"numpy", "torch", "PIL", "sklearn", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_nothing_heavy_is_imported():
    subprocess.run([sys.executable, "-c", CODE], check=True)
