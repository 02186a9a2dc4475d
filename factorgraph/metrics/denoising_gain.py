"""How much less noise there is in what a code gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class DenoisingGain(MetricLeaf):
    r"""By how much a procedure's code raises the ratio of signal to noise of held-out samples, to which noise was added.

    .. math:: 10 \log_{10} \frac{\sum |\tilde Y - Y|^2}{\sum |\hat Y - Y|^2}, \qquad \tilde Y = Y + \sigma n

    for samples Y, white normal noise n drawn from the spec's seed, and :math:`\hat Y` that with which the energy compares
    :math:`\tilde Y` once the code of :math:`\tilde Y` is found. The code of a higher layer goes back through all layers below it:
    what a layer reads and the procedure does not infer is replaced by what that one is compared with. Where samples are compared
    through a crop, so are they here.

    Units: decibels; sigma is in those of the prepared data. 0 is no gain; a code that says nothing has that of the signal itself.
    Source: Zeiler, Krishnan, Taylor & Fergus, CVPR 2010, section 4.4.
    """

    type: Literal["denoising_gain"] = "denoising_gain"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "number")

    def measure(self, on: Measured, procedure: str, sigma: float) -> float:
        return on.denoised(procedure, sigma).gain
