"""From the installed weights to the two files an encoder opens; takes seconds and no network."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load

from semsched.errors import InputError
from semsched.predict.embed.files import MODEL, TOKENIZER, read_tokenizer, read_weights
from semsched.predict.embed.graph import minilm


def export(folder: Path) -> None:
    """Write the int8 model and its tokenizer to `folder`, each whole or not at all.

    Processes may export to one folder at once: they write the same. Raises InputError if the
    installed files are not the expected ones or `folder` cannot be written.
    """
    tokenizer = read_tokenizer()
    model = minilm(load(read_weights()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part-", dir=folder) as part:
            (Path(part) / TOKENIZER).write_bytes(tokenizer)
            quantize(model, Path(part) / MODEL)
            for name in (TOKENIZER, MODEL):
                _move(Path(part) / name, folder / name)
    except OSError as error:
        raise InputError(f"{folder}: the model cannot be kept there: {error}") from error


def quantize(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` to `path` with the weights of its matrices in int8; `model` gets a tag."""
    # Says that shapes and fusions were seen to, without which the quantiser warns.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with _root_logger_kept():
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            reduce_range=True,  # 7 bits: 8 overflow on processors without VNNI instructions
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """The quantiser logs by logging.info(), which sets up a root logger that has no handler."""
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addHandler(placeholder)
    try:
        yield
    finally:
        root.removeHandler(placeholder)


def _move(part: Path, path: Path) -> None:
    """Replace `path` by `part` in one step, once its bytes are on the disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
