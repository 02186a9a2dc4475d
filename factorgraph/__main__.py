"""``factorgraph`` and ``python -m factorgraph``."""

from __future__ import annotations

import os
import sys

from factorgraph.cli.app import app
from factorgraph.errors import FactorgraphError


def main() -> None:
    """Run one command. Exit status: 0 well, 1 a run or a claim failed, 2 a wrong spec or command, 130 interrupted."""
    try:
        status = app(prog_name="factorgraph", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except FactorgraphError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  the last sentence about what nobody foresaw
        sys.exit(_other(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _other(error: Exception) -> int:
    """What is no mistake in a spec: of the command line, of the system, or ours."""
    import click

    if isinstance(error, click.Abort):
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if os.environ.get("FACTORGRAPH_DEBUG"):
        raise error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        print("error: there is not enough memory; a smaller batch_size or smaller dims need less", file=sys.stderr)
        return 1
    if isinstance(error, OSError):
        print(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        return 1
    print(f"error: a mistake of factorgraph itself, please report it: {type(error).__name__}: {error}", file=sys.stderr)
    print("   = FACTORGRAPH_DEBUG=1 shows where", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
