"""Archives of arrays (.npz) that somebody else may have written, or damaged."""

import struct
import tokenize
import zlib
from zipfile import BadZipFile

FAULTS = (
    *(ValueError, LookupError, TypeError, AttributeError, BadZipFile, zlib.error, EOFError),
    *(OSError, RuntimeError, MemoryError, SyntaxError, struct.error, tokenize.TokenError),
    ArithmeticError,
)
"""What parsing a damaged archive may raise."""
