# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from collections.abc import Sequence

from factorgraph.spec.forms import ScheduleForm
from factorgraph.spec.handles import Number

class Constant(ScheduleForm):
    r"""The learning rate stays what it is.

    .. math:: f(p) = 1
    """

    def __init__(self) -> None: ...

class Linear(ScheduleForm):
    r"""The learning rate goes to zero on a straight line that begins at a share of the phase.

    .. math:: f(p) = \min(1, (1 - p) / (1 - \mathrm{from}))

    Options:
        begin: the share before the descent
    """

    def __init__(
        self,
        *,
        begin: Number = 0.0,
    ) -> None: ...

class Step(ScheduleForm):
    r"""The learning rate is multiplied once more at each of some shares of the phase.

    .. math:: f(p) = \mathrm{factor}^{|\{a \in \mathrm{at} : a \le p\}|}

    Options:
        at: the shares of the phase at which it falls
        by: what the learning rate is multiplied by
    """

    def __init__(
        self,
        *,
        at: Sequence[Number],
        by: Number = 0.1,
    ) -> None: ...
