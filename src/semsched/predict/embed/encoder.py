"""Texts to vectors: cut, tokenised, run through the exported model, remembered."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from semsched.errors import InputError
from semsched.predict.embed.files import (
    MODEL,
    TO_ENCODE,
    TO_EXPORT,
    TOKENIZER,
    cache_folder,
    require,
)

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

SIZE = 384
"""Numbers of an embedding."""

MAX_HEAD, MAX_TAIL = 2_000, 500
"""Characters that are read at the start and at the end of a text."""

MAX_TOKENS = 128
"""Tokens that are read, the first ones; the time of a run is about linear in them."""

MAX_REMEMBERED = 4_096
"""Embeddings kept, 1.5 kB each."""

Embedding = NDArray[np.float32]


class Encoder:
    """Sentence embeddings by all-MiniLM-L6-v2 in int8, on one core. May be shared by threads."""

    def __init__(self, tokenizer: "Tokenizer", session: "InferenceSession") -> None:
        self._tokenizer = tokenizer
        self._session = session
        self._memory = _Memory(MAX_REMEMBERED)

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The encoder whose files are in `folder`, by default the user's cache.

        Makes the files first if they are not there, once, in seconds, without network.
        Raises InputError if a package is missing or the files cannot be made or used.
        """
        folder = cache_folder() if folder is None else folder
        require(TO_ENCODE)
        if not all((folder / name).is_file() for name in (MODEL, TOKENIZER)):
            require(TO_EXPORT)
            from semsched.predict.embed.export import export

            export(folder)
        try:
            return cls(_open_tokenizer(folder / TOKENIZER), _open_session(folder / MODEL))
        except Exception as error:
            cause = str(error).partition("\n")[0]
            raise InputError(
                f"{folder}: {MODEL} or {TOKENIZER} is not usable ({cause});"
                " delete both, they are made again"
            ) from error

    def encode(self, texts: Sequence[str]) -> Embedding:
        """Embeddings of unit length, shape [len(texts), SIZE]; equal texts get equal rows.

        Any text will do. What lies beyond MAX_HEAD and MAX_TAIL characters or MAX_TOKENS tokens
        is not read.
        """
        rows = np.empty((len(texts), SIZE), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._recall(_cut(text))
        return rows

    def _recall(self, content: bytes) -> Embedding:
        # The hash stands for the text, so that no prompt stays in memory.
        key = blake2b(content, digest_size=16).digest()
        known = self._memory.get(key)
        if known is None:
            known = self._run(content.decode())
            self._memory.put(key, known)
        return known

    def _run(self, text: str) -> Embedding:
        """One text a run: on one core a batch only adds padding."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        embedding: Embedding = self._session.run(["embedding"], inputs)[0][0]
        return embedding


class _Memory:
    """The embeddings used last, at most `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._rows: OrderedDict[bytes, Embedding] = OrderedDict()

    def get(self, key: bytes) -> Embedding | None:
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, key: bytes, row: Embedding) -> None:
        with self._lock:
            self._rows[key] = row
            self._rows.move_to_end(key)
            if len(self._rows) > self._size:
                self._rows.popitem(last=False)


def _cut(text: str) -> bytes:
    """What is read of `text`, in UTF-8; lone surrogates, which UTF-8 lacks, become "?"."""
    if len(text) > MAX_HEAD + MAX_TAIL:
        text = f"{text[:MAX_HEAD]} {text[-MAX_TAIL:]}"
    return text.encode("utf-8", "replace")


def _open_tokenizer(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.encode_special_tokens = True  # "[SEP]" in a prompt is text, not a command
    return tokenizer


def _open_session(path: Path) -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
