"""Optional packages: one that is installed may still not load."""

from importlib import import_module

from semsched.errors import InputError


def check_loads(module: str) -> None:
    """Import `module`; raises InputError that names its package and says why it does not load.

    The usual causes: a shared library is missing, or parts are of versions that do not fit. Raises
    ModuleNotFoundError if the package is not there at all.
    """
    package = module.partition(".")[0]
    try:
        import_module(module)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{package}: is installed but does not load: {cause}") from error
