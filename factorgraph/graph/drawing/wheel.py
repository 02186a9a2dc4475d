"""A program of its own: DOT on the standard input, a picture on the standard output, by the Graphviz in the pygraphviz wheel.

Run as ``python wheel.py FORMAT [-Gname=value ...]``; it imports nothing of this package.
"""

from __future__ import annotations

import sys


def main(form: str, *options: str) -> None:
    import pygraphviz

    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
    data = graph.draw(format=form, prog="dot", args=" ".join(options))
    sys.stdout.buffer.write(data if isinstance(data, bytes) else data.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
