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
    """For the imports of a command that needs an extra.

    Raises Failure where a package is missing or, being installed, does not load.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise Failure(
            f"semsched {command} needs {error.name}: pip install 'semsched[{extra}]'"
        ) from error
    except ImportError as error:
        cause = str(error).partition("\n")[0]
        raise Failure(f"{error.name}: is installed but does not load: {cause}") from error
