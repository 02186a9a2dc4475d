"""The minimum at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.structure import Optimizer

if TYPE_CHECKING:
    from factorgraph.training.optimizers._minimum import Minimum


class ClosedForm(Optimizer):
    r"""Sets matrices to the minimum of the energy over the codes of a whole pass through the data, at the end of each pass.

    .. math:: W \leftarrow W - \Bigl(\sum_n \frac{\partial E_n}{\partial W}\Bigr) H^+, \qquad
              H = \sum_n \sum_k w_k\, x_{nk} x_{nk}'

    For the matrix W of a linear function, and its bias, behind squares of weight and curvature *w*, its inputs *x* with a 1 for
    the bias. One-hot codes make it K-means, real codes alternating least squares. What no sample used keeps its place: a
    prototype without samples, a direction without inputs. Where the rows are orthonormal and the energy is
    ``|Y - f'(f(Y))|^2``, they become the leading eigenvectors of the second moment of Y, the largest entry of each positive: PCA
    of centred data.

    Where codes are summed out, ``method: marginal``, the sums are over the posterior: expectation-maximisation. Precisions of a
    ``gaussian`` and shares of a ``categorical`` are set beside the matrices, by covariances of what is compared and by how often
    each choice is made: mixtures of Gaussians, factor analysis.

    Within a pass nothing changes. A pass ends with its last row, and its last batch may be smaller; a phase that ends before ends
    with the minimum over what it saw. There is no learning rate, and no schedule.

    K-means and PCA need sums over their data alone, no gradient and no memory for codes: there ``batch_size: all`` costs least.

    Errors:   FG430 to FG435: the minimum has no closed form, or an option would change nothing.
    Source:   Lloyd, IEEE Trans. Information Theory 28, 1982; Pearson, Philosophical Magazine 2, 1901; Dempster, Laird & Rubin,
              J. Royal Statistical Society B 39(1), 1977; Rubin & Thayer, Psychometrika 47(1), 1982.
    """

    type: Literal["closed_form"] = "closed_form"
    closed: ClassVar[bool] = True

    def build(self, groups: list[dict[str, Any]], learning_rate: float) -> Minimum:
        from factorgraph.training.optimizers._minimum import Minimum

        return Minimum(groups)
