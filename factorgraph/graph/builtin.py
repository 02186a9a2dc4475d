"""What an expression calls without a leaf behind it: to join values, and to take their sum or mean over an index."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from factorgraph.structure import Described


def _described(name: str, text: str) -> Described:
    text = inspect.cleandoc(text)
    return Described(name, "expressions", text.split("\n")[0], text, promises=("Affine", "Differentiable"))


_JOIN = r"""
    Puts values one behind the other along their first axis, in the order in which they are written.

    .. math:: \operatorname{join}(A, B) = \begin{pmatrix} A \\ B \end{pmatrix}

    ``W(A, B)`` is ``W(join(A, B))``, and ``W.transpose`` gives back all of it. Of one value whose size is not written and of what
    the whole is compared with, the size follows.

    Promises: affine in each value; its norm is at most the number of values that move.
    Shapes:   A (batch, a, *rest), B (batch, b, *rest), ... -> (batch, a + b + ..., *rest); a number has no first axis.
    Source:   an elementary function.
"""
_SUM = r"""
    Adds a value up over an index: ``sum(A, t)`` is the same for every t.

    .. math:: \operatorname{sum}(A, t) = \sum_t A_t

    The sum is over the slots at which the value exists: that of ``A[t] - A[t-1]`` begins at t = 1.

    Promises: affine; its norm is at most that of its terms together.
    Shapes:   A (batch, *shape) for each t -> (batch, *shape).
    Source:   an elementary function.
"""
_MEAN = r"""
    Takes the mean of a value over an index: ``mean(A, t)`` is the same for every t.

    .. math:: \operatorname{mean}(A, t) = \frac{1}{T} \sum_t A_t, \qquad T \text{ slots}

    The mean is over the slots at which the value exists: of ``A[t] - A[t-1]`` there is one less than of ``A``.

    Promises: affine; its norm is at most the mean of that of its terms.
    Shapes:   A (batch, *shape) for each t -> (batch, *shape).
    Source:   an elementary function.
"""

BUILTIN: Mapping[str, Described] = {
    name: _described(name, text) for name, text in (("sum", _SUM), ("mean", _MEAN), ("join", _JOIN))
}
