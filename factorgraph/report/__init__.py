"""A run as one page: everything that there is to see of it, in a file that needs no network and no server.

``write`` puts it beside the run's other files, ``page`` gives its text, :mod:`factorgraph.report.watch` serves it while a run
learns. What the page says comes from the run's folder, which may be a stranger's: all of it stays text.
"""

from __future__ import annotations

from factorgraph.report.page import page, write

__all__ = ["page", "write"]
