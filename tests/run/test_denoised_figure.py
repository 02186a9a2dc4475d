"""Clean pictures above noisy ones, and above what codes leave of the noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from factorgraph.errors import RunError, SpecError
from factorgraph.run.claims import NotMeasuredError
from factorgraph.run.figures._chosen import asked_figures
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads
from tests.run.test_layers import CROPPED, MAPS, ROWS, measured

FIGURE = "\nfigures: {noise: {type: denoised, of: OF}}\n"
GREY = MAPS.replace("COLOURS", "1")


def drawn(on: Measured, text: str, of: str, **others: Measured) -> Figure:
    figure = asked_figures(loads(text + FIGURE.replace("OF", of)), {"": on, **others}.__getitem__)["noise"]()
    assert figure is not None
    return figure


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def words(figure: Figure) -> list[str]:
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


def test_each_code_has_a_row_under_the_clean_and_the_noisy_pictures() -> None:
    on, before = measured(GREY), measured(GREY.replace("factorgraph: 1", "factorgraph: 1\nseed: 5"))
    figure = drawn(on, GREY, "['start.denoising_gain(code[0], 0.2)', 'denoising_gain(code[l], 0.2)']", start=before)
    first = before.denoised("code[0]", 0.2)
    found = [on.denoised(f"code[{slot}]", 0.2) for slot in range(2)]
    rows = [first.clean, first.noisy, first.restored, *(each.restored for each in found)]
    pictures = [on.unprepared(on.graph.variables["X"], each.float().flatten(1)) for each in rows]
    low, high = np.percentile(pictures[0].numpy(), (1, 99))
    expected = np.clip((torch.cat(pictures).reshape(-1, 10, 10).numpy() - low) / (high - low), 0, 1)
    np.testing.assert_allclose(images(figure), expected, atol=1e-5)
    labels = ["clean", "noise of 0.2", "start.code[0]", "code[0]", "code[1]"]
    gains = ["", "", *(f"\n{each.gain:+.2f} dB" for each in (first, *found))]
    assert [each for each in words(figure) if each.startswith(("clean", "noise of", "start", "code"))] == [
        label + gain for label, gain in zip(labels, gains, strict=True)
    ]
    assert any("those of all 6" in each for each in words(figure))


def test_other_noise_has_a_row_of_its_own() -> None:
    figure = drawn(measured(GREY), GREY, "['denoising_gain(code[0], 0.2)', 'denoising_gain(code[0], 1 / 2)']")
    assert [each for each in words(figure) if "noise of" in each] == ["noise of 0.2", "noise of 0.5"]
    assert len(images(figure)) == 5 * 6 and sum(each.startswith("code[0]") for each in words(figure)) == 2


def test_what_is_compared_through_a_crop_is_shown_as_it_comes_through() -> None:
    assert {each.shape for each in images(drawn(measured(CROPPED), CROPPED, "'denoising_gain(fast, 0.3)'"))} == {(4, 4)}


def test_samples_of_a_plane_are_no_pictures() -> None:
    text = ROWS.replace("shape: [16]", "shape: [2]")
    text = text[: text.index("data:")] + "data: {source: curve, count: 20, test: 5, bind: {Y: point}}"
    with pytest.raises(RunError, match="noise is shown on pictures, and Y is none"):
        drawn(measured(text), text, "'denoising_gain(code[0], 0.2)'")


def test_a_state_that_nobody_trained_has_no_picture() -> None:
    def states(state: str) -> Measured:
        raise NotMeasuredError(state)

    text = GREY + FIGURE.replace("OF", "'denoising_gain(code[0], 0.2)'")
    assert asked_figures(loads(text), states)["noise"]() is None


@pytest.mark.parametrize(
    ("of", "code", "said"),
    [
        ("'code[0]'", "FG310", "a claim is about metrics"),
        ("'active(code[0])'", "FG427", 'a denoised is of denoising_gain, as in a claim, and not of "active(code[0])"'),
        ("'denoising_gain(code[0], 0.2) - 1'", "FG427", "write denoising_gain(procedure, number)"),
        ("'denoising_gain(cod[0], 0.2)'", "FG2", "cod"),
        ("['denoising_gain(code[0], 0.2)', 'energy(code[0]) +']", "FG304", "missing after"),
        ("'denoising_gain(code[2], 0.2)'", "FG666", "there is no code[2]: l has 2 slots"),
        ("[]", "FG203", "takes 1 value, not 0"),
    ],
)
def test_what_it_cannot_be_of_is_told(of: str, code: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        loads(GREY + FIGURE.replace("OF", of))
    assert any(each.code.startswith(code) for each in refused.value.issues) and said in str(refused.value)
