"""How a command fails: one line, one exit code."""

import typer


class Failure(typer.TyperException):
    """Ends the command with one line on stderr; exit code 2 is the user's to mend, 1 is ours."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
