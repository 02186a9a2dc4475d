"""Each parameter by itself: its gradient over its own curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import Positive
from factorgraph.structure import Optimizer
from factorgraph.training.optimizers._torch import Beta

if TYPE_CHECKING:
    from factorgraph.training.optimizers._newton import Newton


class DiagonalNewton(Optimizer):
    r"""Divides each parameter's gradient by the energy's curvature along it: parameters that much depends on move less.

    .. math:: \theta_i \leftarrow \theta_i - \eta\, g_i / (h_i + \mu), \qquad
              h_i \approx \frac1B \sum_n \sum_j c \Bigl(\frac{\partial r_{nj}}{\partial \theta_i}\Bigr)^2

    for the squares :math:`c\, r^2 / 2` of the energy's factors: the diagonal of the Gauss-Newton matrix, which leaves out how
    functions are curved themselves and is never negative. Other smooth factors count with the bound of their curvature, the rest
    with none. Each step estimates it from its own batch, by one gradient of the residuals times random signs, the first step by
    sixteen. h is the running mean of the estimates, the damping mu what it is at least, about. A learning rate of 1 is Newton's
    step along one parameter alone; where many work together, as the pixels of a kernel do, about 0.05 is stable.

    Deviates: the papers go back to the curvature of a few hundred samples every ten thousand; here its mean runs along.
    Errors:   FG439 where a loss is not the energy itself.
    Source:   LeCun, Bottou, Orr & Muller, Efficient BackProp, 1998, sections 7.4 and 9.1; for encoders of sparse codes
              Kavukcuoglu et al., NIPS 2010, section 2.3. Random signs: Bekas, Kokiopoulou & Saad, Appl. Numer. Math. 57, 2007.
    """

    type: Literal["diagonal_newton"] = "diagonal_newton"
    curved: ClassVar[bool] = True

    damping: Positive = Field(default=0.02, description="is added to every curvature")
    decay: Beta = Field(default=0.95, description="of the running mean of curvatures")

    def build(self, groups: list[dict[str, Any]], learning_rate: float) -> Newton:
        from factorgraph.training.optimizers._newton import Newton

        return Newton(groups, learning_rate, self.damping, self.decay)
