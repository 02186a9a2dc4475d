"""Orders, batches and seeds are pure functions of (seed, purpose, position)."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from factorgraph.data import order as orders
from factorgraph.data.order import Prefetch, batch, epoch_of, generator, key, noise_seed, order, steps_of, torch_generator


def test_an_order_is_a_permutation_of_its_own():
    orders = {(s, p, e): tuple(order(s, p, e, 41).tolist()) for s in (0, 1) for p in ("fit", "warm") for e in (0, 1)}
    assert all(sorted(each) == list(range(41)) for each in orders.values())
    assert len(set(orders.values())) == 8


def test_an_order_never_changes_between_versions():
    assert order(7, "fit", 3, 11).tolist() == [2, 0, 10, 6, 5, 3, 9, 4, 8, 1, 7]  # as first written, numpy 2.4
    assert noise_seed(7, "noise", "fit", 12) == 6328458534763594586


def test_rows_whose_numbers_are_equal_stay_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).integers(0, 5, 999).astype(np.uint64)
    monkeypatch.setattr(orders, "_raw", lambda *_: numbers)
    assert order(0, "equal numbers", 0, 999).tolist() == np.argsort(numbers, kind="stable").tolist()
    order.cache_clear()


def test_purposes_are_not_confused():
    assert key(1, "a", "b") != key(1, "ab") != key(1, "a", 1) != key(1, "a", "1")
    assert key(11, "a") != key(1, "1a")


@pytest.mark.parametrize("size", [1, 7, 40, 41])
def test_batches_are_the_epochs_end_to_end(size):
    steps = steps_of(3, 41, size)
    drawn = np.concatenate([batch(5, "fit", step, 41, size) for step in range(steps)])
    expected = np.concatenate([order(5, "fit", epoch, 41) if size < 41 else np.arange(41) for epoch in range(4)])
    assert (drawn == expected[: len(drawn)]).all() and len(drawn) >= 3 * 41
    assert {len(batch(5, "fit", step, 41, size)) for step in range(steps)} == {size}


@pytest.mark.parametrize("size", [1, 7, 40, 41, 100, "all"])
def test_whole_epochs_are_cut_each_by_itself(size):
    steps = steps_of(3, 41, size, whole=True)
    drawn = [batch(5, "fit", step, 41, size, whole=True) for step in range(steps)]
    for epoch in range(3):
        rows = [each for step, each in enumerate(drawn) if epoch_of(step, 41, size, whole=True) == epoch]
        assert sorted(np.concatenate(rows).tolist()) == list(range(41))
        assert len({len(each) for each in rows[:-1]}) <= 1 and len(rows[-1]) <= len(rows[0])
    assert sum(map(len, drawn)) == 3 * 41


def test_a_step_does_not_depend_on_those_before_it():
    forwards = [batch(5, "fit", step, 41, 9).tolist() for step in range(30)]
    order.cache_clear()
    assert [batch(5, "fit", step, 41, 9).tolist() for step in reversed(range(30))] == forwards[::-1]


def test_all_rows_and_more_than_all():
    assert batch(0, "fit", 17, 6, "all").tolist() == batch(0, "fit", 2, 6, 100).tolist() == list(range(6))
    assert steps_of(4, 6, "all") == 4 and epoch_of(3, 6, "all") == 3


def test_epochs_are_counted_from_where_a_batch_begins():
    assert [epoch_of(step, 10, 4) for step in range(6)] == [0, 0, 0, 1, 1, 2]
    assert steps_of(2, 10, 4) == 5 and steps_of(0.5, 10, 4) == 2


def test_an_order_cannot_be_changed_by_who_reads_it():
    with pytest.raises(ValueError, match="read-only"):
        order(0, "fit", 0, 5)[0] = 3


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_prefetching_changes_nothing(workers):
    found = list(Prefetch(lambda step: batch(5, "fit", step, 41, 9).tolist(), range(4, 40), workers))
    assert found == [batch(5, "fit", step, 41, 9).tolist() for step in range(4, 40)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failure_comes_at_its_step_and_workers_end(workers):
    def make(step):
        if step == 3:
            raise OSError("gone")
        return step

    before = threading.active_count()
    found = []
    with pytest.raises(OSError, match="gone"):
        for each in Prefetch(make, itertools.count(), workers):
            found.append(each)
    assert found == [0, 1, 2] and threading.active_count() == before


def test_who_stops_early_leaves_no_thread():
    before = threading.active_count()
    stream = iter(Prefetch(lambda step: step, itertools.count(), 3))
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    assert threading.active_count() == before


def test_random_numbers_belong_to_their_purpose():
    assert (generator(1, "noise", 4).random(3) == generator(1, "noise", 4).random(3)).all()
    assert (generator(1, "noise", 4).random(3) != generator(1, "noise", 5).random(3)).all()
    seeds = {noise_seed(seed, "noise", phase, step) for seed in (0, 1) for phase in ("warm", "fit") for step in range(50)}
    assert len(seeds) == 200 and all(0 <= each < 2**63 for each in seeds)
    assert torch_generator(1, "x").initial_seed() == noise_seed(1, "x")
