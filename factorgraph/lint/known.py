"""Claims that ask of the data what they do not know of themselves."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.errors import Issue, issue
from factorgraph.lint.reading import Reading
from factorgraph.registry import leaves


def check(reading: Reading) -> Iterator[Issue]:
    """FGW273 at a metric that needs a background or a truth, which no source has. A variant may have other data."""
    spec, metrics = reading.graph.spec, leaves("metrics")
    sources = [each.source for each in spec.data.blocks.values()] if spec.data is not None else []
    for name, claim in spec.expect.items():
        for measure in claim.metric.measures():
            wanted = getattr(metrics.get(measure.metric), "of_source", "")
            elsewhere = any(each.name in spec.variants for each in measure.states)
            if wanted and sources and not elsewhere and not any(hasattr(each, wanted) for each in sources):
                what = f"{measure.metric} needs the {wanted} of the data, which only generated data know: it cannot be measured"
                yield issue("FGW273", what, ("expect", name, "metric"), fix=f"remove {name}, or take data such as curve")
