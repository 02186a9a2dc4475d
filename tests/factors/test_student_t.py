"""Student's t against another library's density."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.student_t import StudentT


@pytest.mark.parametrize("degrees", [1, 2, 0.37])
def test_with_its_weight_it_is_student_s_t_but_for_a_constant(degrees):
    stats = pytest.importorskip("scipy.stats")
    z = torch.linspace(-30, 30, 41, dtype=torch.float64)[:, None]
    energy = (degrees + 1) / 2 * StudentT(of="Z", degrees=degrees).energy(z)
    density = stats.t(degrees)
    expected = torch.from_numpy(density.logpdf(0) - density.logpdf(z[:, 0].numpy()))
    torch.testing.assert_close(energy, expected)


def test_values_by_hand():
    z = torch.tensor([[1.0, -1.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(StudentT(of="Z").energy(z).exp(), torch.tensor([2.0 * 2 * 10], dtype=torch.float64))
    torch.testing.assert_close(StudentT(of="Z", degrees=2).energy(z).exp(), torch.tensor([1.5 * 1.5 * 5.5], dtype=torch.float64))


def test_small_values_are_not_lost_in_single_precision():
    found = StudentT(of="Z").energy(torch.tensor([[1e-5]]))
    assert float(found) == pytest.approx(1e-10, rel=1e-5)
