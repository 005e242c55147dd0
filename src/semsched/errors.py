"""The one kind of error that is the user's to mend."""


class InputError(ValueError):
    """Something that was given cannot be used.

    The message is one line that says what, where, and how to mend it; the command line shows it
    as it is and exits with 2.
    """
