"""How a command fails: one line, one exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


class Failure(typer.TyperException):
    """Ends the command with one line on stderr; exit code 2 is the user's to mend, 1 is ours."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def needing(command: str, extra: str) -> Iterator[None]:
    """For the imports of a command that needs an extra; raises Failure where it is missing."""
    try:
        yield
    except ImportError as error:
        raise Failure(
            f"semsched {command} needs {error.name}: pip install 'semsched[{extra}]'"
        ) from error
