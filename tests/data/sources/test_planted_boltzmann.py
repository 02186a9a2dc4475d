from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from factorgraph.data.model import Request
from factorgraph.data.sources.planted_boltzmann import PlantedBoltzmann


def test_states_come_as_often_as_the_true_energy_says():
    source = PlantedBoltzmann(units=4, scale=0.8)
    ties, own = source.truth(7), source.fields_of(7)
    assert (ties == ties.T).all() and (ties.diagonal() == 0).all() and abs(own).min() > 0
    states = np.array(list(itertools.product((0, 1), repeat=4)))
    energies = np.array([-sum(ties[i, j] * y[i] * y[j] for i in range(4) for j in range(i)) - own @ y for y in states])
    chance = np.exp(-energies) / np.exp(-energies).sum()
    for table in (splits := source.load(Request(seed=7, count=60_000, test=60_000))).train, splits.test:
        drawn = table.fields["bits"] @ [8, 4, 2, 1]
        often = np.bincount(drawn.astype(int), minlength=16) / 60_000
        assert np.abs(often - chance).max() < 5 * np.sqrt(0.25 / 60_000)
        assert ((often - chance) ** 2 / chance).sum() * 60_000 < 40  # chi squared with 15 degrees: one in two thousand is above
    assert (splits.train.fields["bits"] != splits.test.fields["bits"]).any()


def test_so_many_states_are_refused():
    with pytest.raises(ValidationError, match="too many states"):
        PlantedBoltzmann(units=17)
