"""Pictures of every mode, depth and orientation become the same numbers; bombs and torsos are refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from factorgraph.data import images
from factorgraph.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (7, 11), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (7, 11, 3), dtype=np.uint8)
LUMA = (COLOR.astype(float) @ [0.299, 0.587, 0.114]) / 255


def saved(tmp_path, picture, name="a.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


def test_grey_and_color(tmp_path):
    grey, color = saved(tmp_path, Image.fromarray(GREY)), saved(tmp_path, Image.fromarray(COLOR), "b.png")
    assert images.size_of(grey) == (7, 11)
    assert images.read(grey, 1).dtype == np.float32 and np.allclose(images.read(grey, 1), GREY / 255)
    assert np.allclose(images.read(grey, 3), np.stack([GREY / 255] * 3))
    assert np.allclose(images.read(color, 3), COLOR.transpose(2, 0, 1) / 255)
    assert np.allclose(images.read(color, 1), LUMA)


def test_luma_is_that_of_pillow(tmp_path):
    oracle = np.asarray(Image.fromarray(COLOR).convert("L"))
    assert np.abs(images.read(saved(tmp_path, Image.fromarray(COLOR)), 1) * 255 - oracle).max() <= 1


def test_sixteen_bits(tmp_path):
    deep = np.asarray([[0, 257, 65535]], dtype=np.uint16)
    for name in ("a.png", "a.tif"):
        assert np.allclose(images.read(saved(tmp_path, Image.fromarray(deep), name), 1), [[0, 257 / 65535, 1]])


def test_one_bit_palette_and_print_colours(tmp_path):
    assert np.allclose(images.read(saved(tmp_path, Image.fromarray(GREY > 99)), 1), GREY > 99)
    few = Image.fromarray(COLOR // 128 * 255).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.allclose(images.read(saved(tmp_path, few), 3), np.asarray(few.convert("RGB")).transpose(2, 0, 1) / 255)
    ink = Image.fromarray(COLOR).convert("CMYK")
    assert np.abs(images.read(saved(tmp_path, ink, "a.tif"), 3) * 255 - COLOR.transpose(2, 0, 1)).max() <= 1


def test_what_is_see_through_lies_on_white(tmp_path):
    cover = np.full((7, 11, 1), 64, dtype=np.uint8)
    share = 64 / 255
    color = saved(tmp_path, Image.fromarray(np.concatenate([COLOR, cover], axis=2)))
    assert np.allclose(images.read(color, 3), COLOR.transpose(2, 0, 1) / 255 * share + 1 - share)
    grey = saved(tmp_path, Image.fromarray(np.concatenate([GREY[:, :, None], cover], axis=2), mode=None), "b.png")
    assert np.allclose(images.read(grey, 1), GREY / 255 * share + 1 - share)
    few = Image.fromarray(np.asarray([[0, 1]], dtype=np.uint8)).convert("P")
    few.putpalette([10, 20, 30, 40, 50, 60])
    found = images.read(saved(tmp_path, few, "c.png", transparency=0), 3)[:, 0]
    assert np.allclose(found, [[1, 40 / 255], [1, 50 / 255], [1, 60 / 255]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_whatever_the_camera_said(tmp_path, orientation):
    turned = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: GREY.T[::-1],
        7: GREY.T[::-1, ::-1],
        8: GREY.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path, Image.fromarray(np.ascontiguousarray(turned)), exif=exif)
    assert images.size_of(file) == (7, 11) and np.allclose(images.read(file, 1), GREY / 255)


def test_floating_point_pictures_must_lie_in_the_range(tmp_path):
    fine = np.asarray([[0.0, 0.37, 1.0]], dtype=np.float32)
    assert np.allclose(images.read(saved(tmp_path, Image.fromarray(fine), "a.tif"), 1), fine)
    for wrong in (1.5, -0.1, np.nan, np.inf):
        with pytest.raises(DataError, match="FG524"):
            images.read(saved(tmp_path, Image.fromarray(np.asarray([[0.5, wrong]], dtype=np.float32)), "b.tif"), 1)


def test_torsos_and_strangers_are_named(tmp_path):
    for name, options in (("a.png", {}), ("a.jpg", {}), ("a.tif", {}), ("a.webp", {}), ("a.bmp", {})):
        whole = saved(tmp_path, Image.fromarray(np.tile(COLOR, (9, 9, 1))), name, **options).read_bytes()
        for length in (0, 1, 10, len(whole) // 3, len(whole) * 2 // 3):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(DataError, match="FG512") as error:
                images.read(tmp_path / name, 1)
            assert name in str(error.value)
    (tmp_path / "b.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"FG512[^\n]*not a picture"):
        images.size_of(tmp_path / "b.png")
    with pytest.raises(DataError, match="FG512"):
        images.read(tmp_path, 1)


@pytest.mark.parametrize("name", ["a.eps", "a.gif", "a.tga", "a.pdf"])
def test_only_the_named_formats_are_read(tmp_path, name):
    file = saved(tmp_path, Image.fromarray(GREY), name)
    with pytest.raises(DataError, match="FG512"):
        images.read(file.rename(tmp_path / "a.png"), 1)


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_by_their_head(tmp_path, width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    file = tmp_path / "bomb.png"
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(DataError, match="FG513"):
        images.read(file, 1)


@pytest.mark.parametrize("values", [GREY / 255, COLOR.transpose(2, 0, 1) / 255], ids=["grey", "color"])
def test_back_to_a_file(values):
    again = np.asarray(Image.open(io.BytesIO(images.to_bytes(values))))
    assert (again == (GREY if values.ndim == 2 else COLOR)).all()
    assert np.asarray(Image.open(io.BytesIO(images.to_bytes(np.asarray([[-0.2, 1.3]]))))).tolist() == [[0, 255]]
