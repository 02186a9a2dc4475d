"""Clips lie within one shot and on one side of the split."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from factorgraph.data import videos
from factorgraph.data.model import Request
from factorgraph.data.sources.video import Video
from factorgraph.errors import DataError


def film(frames, size=8, seed=0):
    """Noise whose first pixel tells the frame's number."""
    found = np.random.default_rng(seed).integers(0, 256, (frames, size, size), dtype=np.uint8)
    found[:, 0, 0] = np.arange(frames)
    return found


def numbers(table):
    return np.rint(table.fields["frames"][:, :, 0, 0] * 255).astype(int)


@pytest.fixture
def loaded(tmp_path):
    def load(frames, count=None, test=None, seed=0, past=3, future=2, **named):
        np.savez(tmp_path / "film.npz", frames=frames, fps=25.0, name=np.asarray(["a film"]), **named)
        source = Video(size=8, past=past, future=future, file="film.npz")
        return source.load(Request(seed, count, test, (tmp_path,)))

    return load


def test_clips_are_consecutive_frames(loaded):
    frames = film(60)
    splits = loaded(frames)
    for table in (splits.train, splits.test):
        seen = numbers(table)
        assert (seen == seen[:, :1] + np.arange(5)).all()
        assert np.abs(table.fields["frames"] - frames[seen] / 255).max() < 1e-6
        assert (table.fields["past"] == table.fields["frames"][:, :3]).all()
        assert (table.fields["future"] == table.fields["frames"][:, 3:]).all()
    assert (splits.train.rows, splits.test.rows) == (54 - 4, 6 - 4)


@pytest.mark.parametrize("share", [None, 0.3, 0.5, 20])
@pytest.mark.parametrize("starts", [(), (30, 47), tuple(range(0, 200, 13))])
def test_no_frame_is_on_both_sides_and_no_clip_crosses_a_cut(loaded, share, starts):
    splits = loaded(film(200), test=share, start=np.asarray(starts, dtype=np.int64))
    train, test = numbers(splits.train), numbers(splits.test)
    assert len(train) and len(test) and not set(train.ravel()) & set(test.ravel())
    for first, *_, last in [*train.tolist(), *test.tolist()]:
        assert not any(first < cut <= last for cut in starts)
    assert not set(splits.train.groups) & set(splits.test.groups)
    if len(starts) > 10:  # whole shots, chosen by chance
        assert {int(np.searchsorted(starts, each, "right")) for each in test[:, 0]}.isdisjoint(
            int(np.searchsorted(starts, each, "right")) for each in train[:, 0]
        )


@pytest.mark.parametrize("starts", [(30, 47), tuple(range(0, 200, 13))])
@pytest.mark.parametrize("wanted", [((20, 30), (40, 5)), ((None, 0.1), (None, 0.5)), ((None, 0), (20, 8))])
def test_no_frame_is_on_both_sides_of_several_sources(tmp_path, starts, wanted):
    np.savez(tmp_path / "film.npz", frames=film(200), start=np.asarray(starts))
    one, other = (Request(1, count, test, (tmp_path,)) for count, test in wanted)
    source = Video(size=8, past=3, future=2, file="film.npz")
    found = [source.load(replace(a, beside=(b,))) for a, b in ((one, other), (other, one))]
    train, test = (
        {*numbers(a).ravel(), *numbers(b).ravel()} for a, b in ([each.train for each in found], [each.test for each in found])
    )
    assert train and test and not train & test


def test_both_names_of_shots_are_known_and_numbers_are_kept(loaded):
    one = loaded(film(200), shot_start=np.asarray([30, 47]))
    other = loaded(film(200), start=np.asarray([0, 30, 47, 200]))
    assert (numbers(one.train) == numbers(other.train)).all() and one.about["shots"] == 3
    few = loaded(film(200), count=11, test=3)
    assert (few.train.rows, few.test.rows) == (11, 3)
    for wrong in ({"count": 300}, {"test": 300}):
        with pytest.raises(DataError, match=r"FG509"):
            loaded(film(200), **wrong)
    none = loaded(film(50), test=0)
    assert (none.train.rows, none.test.rows) == (46, 0)


def test_shots_that_are_too_short(loaded):
    with pytest.raises(DataError, match=r"FG549[^\n]*longest shot has 9"):
        loaded(film(9))
    assert loaded(film(10)).test.rows == 1


@pytest.mark.parametrize("colors", [1, 3])
def test_colour_comes_first(tmp_path, colors):
    frames = np.random.default_rng(0).integers(0, 256, (30, 8, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", frames=frames)
    source = Video(size=8, colors=colors, file="a.npz")
    table = source.load(Request(roots=(tmp_path,))).train
    assert {name: each.shape[1:] for name, each in table.fields.items()} == source.fields()
    middle = frames[0, :, 2:10] / 255
    expected = middle.transpose(2, 0, 1) if colors == 3 else middle @ np.asarray([0.299, 0.587, 0.114])
    assert np.abs(table.fields["past"][0, 0] - expected).max() < 1e-6


def test_a_folder_of_frames_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "walk").mkdir()
    for number, frame in enumerate(film(25)):
        Image.fromarray(frame).save(tmp_path / "walk" / f"frame{number}.png")
    splits = Video(size=8, folder="walk").load(Request(roots=(tmp_path,)))
    assert (numbers(splits.train)[:, 0] == np.arange(16)).all()  # the last five are held out
    whole = Video(size=8, folder=".").load(Request(roots=(tmp_path,)))
    assert whole.about["films"] == ["walk"] and (numbers(whole.train) == numbers(splits.train)).all()


def test_films_of_a_folder_stay_apart(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", film(20, seed=ord(name)))
    splits = Video(size=8, folder=".").load(Request(roots=(tmp_path,)))
    assert splits.about["frames"] == [20, 20] and splits.train.rows == 2 * 11 and splits.test.rows == 2
    assert (numbers(splits.train) == numbers(splits.train)[:, :1] + np.arange(5)).all()


@pytest.fixture
def street(tmp_path):
    av = pytest.importorskip("av")
    values = np.repeat(np.arange(0, 240, 8, dtype=np.uint8), 48 * 64 * 3).reshape(30, 48, 64, 3)
    with av.open(str(tmp_path / "street.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 4_000_000
        for each in values:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        out.mux(stream.encode())
    return tmp_path


def test_a_video_file(street):
    splits = Video(size=16, past=2, file="street.mp4").load(Request(roots=(street,)))
    level = splits.train.fields["frames"].mean(axis=(2, 3)) * 255
    first = splits.train.rows
    assert splits.about["frames"] == [30] and np.abs(level[:, 0] - 8 * np.arange(first)).max() < 4


def test_damaged_and_strange_files(street, tmp_path, monkeypatch):
    whole = (street / "street.mp4").read_bytes()
    (tmp_path / "torso.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "text.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.ts\n")  # a playlist is not followed
    (tmp_path / "flat.npy").write_bytes(b"")
    np.save(tmp_path / "short.npy", np.zeros(3))
    np.save(tmp_path / "high.npy", np.full((30, 8, 8), 7.0))
    np.savez(tmp_path / "other.npz", x=film(9))
    for name, code in (
        ("torso.mp4", "FG546"),
        ("text.mp4", "FG546"),
        ("flat.npy", "FG515"),
        ("short.npy", "FG546"),
        ("high.npy", "FG546"),
        ("other.npz", "FG546"),
        ("text.txt", "FG501"),
    ):
        with pytest.raises(DataError, match=code):
            Video(file=name).load(Request(roots=(tmp_path,)))
    monkeypatch.setattr(videos, "MOST_FRAMES", 20)
    with pytest.raises(DataError, match=r"FG547[^\n]*more than 20 frames"):
        Video(file="street.mp4").load(Request(roots=(tmp_path,)))
    monkeypatch.setattr(videos, "MOST_PIXELS", 64 * 48 - 1)
    with pytest.raises(DataError, match=r"FG547[^\n]*64 x 48"):
        Video(file="street.mp4").load(Request(roots=(tmp_path,)))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"FG548[\s\S]*pip install"):
        Video(file="street.mp4").load(Request(roots=(tmp_path,)))


def test_a_film_is_a_file_or_a_folder():
    for options in ({}, {"file": "a.npz", "folder": "b"}):
        with pytest.raises(ValueError, match="one of them"):
            Video(**options)


@pytest.mark.parametrize("shape", [(0, 8, 8), (5, 0, 8), (5, 8, 0), (5, 8, 0, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_frames_without_pixels_are_refused(tmp_path, shape, kind):
    np.savez(tmp_path / "film.npz", frames=np.zeros(shape, kind))
    with pytest.raises(DataError, match=r"FG546[^\n]*frames of shape"):
        videos.read(tmp_path / "film.npz", 8, 1, [tmp_path], ())
