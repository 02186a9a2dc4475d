"""What those who decode files raise where a file is damaged, torn or hostile: all of it means that it cannot be read."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

BROKEN = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, RuntimeError, SyntaxError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def reason(why: BaseException) -> str:
    """What is wrong, in the decoder's words, or by the error's name where it has none."""
    return str(why) or type(why).__name__
