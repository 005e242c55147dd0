import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semsched.predict.length import LengthPredictor, load, save

TEXTS = ["Please tell me about tides", "Write an essay", ""]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lengths.npz"


@pytest.fixture
def taught() -> LengthPredictor:
    predictor = LengthPredictor()
    for i in range(30):
        predictor.observe(f"about tides {i}", 40 + i, "a/b:\u00e9\x00")
        predictor.observe(f"about taxes {i}", 900, "")
    return predictor


def set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether loading `path` starts afresh, says so, and keeps the file under another name."""
    before = path.read_bytes()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fresh = load(path)
    kept = path.with_name(f"{path.name}.broken")
    said = [record.getMessage() for record in caplog.records]
    moved = not path.exists() and kept.read_bytes() == before
    return not fresh.learners and moved and len(said) == 1 and str(kept) in said[0]


def rewrite(path: Path, **changes: Any) -> None:
    with np.load(path) as file:
        arrays = {**dict(file), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def test_what_was_saved_is_loaded(path: Path, taught: LengthPredictor) -> None:
    save(taught, path)
    loaded = load(path)
    assert list(loaded.learners) == list(taught.learners)
    for model in taught.learners:
        np.testing.assert_array_equal(
            loaded.predict(TEXTS, model=model), taught.predict(TEXTS, model=model)
        )
        assert loaded.learners[model].num_answers == 30
    loaded.observe("goes on", 5)


def test_no_file_is_a_fresh_start(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not load(path).learners
    assert not caplog.records


def test_an_empty_predictor_can_be_saved(path: Path) -> None:
    save(LengthPredictor(), path)
    assert not load(path).learners
    assert path.exists()


def test_a_save_replaces_the_file_in_one_step(path: Path, taught: LengthPredictor) -> None:
    save(taught, path)
    reader, before = path.with_name("reader"), path.read_bytes()
    reader.hardlink_to(path)
    save(LengthPredictor(), path)
    assert reader.read_bytes() == before
    assert not load(path).learners


def test_no_prompt_is_in_the_file(path: Path) -> None:
    predictor = LengthPredictor()
    predictor.observe("supersecretword", 10)
    save(predictor, path)
    with np.load(path) as file:
        assert all(b"supersecret" not in file[name].tobytes() for name in file.files)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY", pickle.dumps({"a": 1}), b"\x00" * 1000],
    ids=["empty", "text", "zip head", "npy head", "pickle", "zeros"],
)
def test_a_foreign_file_is_set_aside(
    content: bytes, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    assert set_aside(path, caplog)


def test_damage_anywhere_is_never_fatal(path: Path, taught: LengthPredictor) -> None:
    save(taught, path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=3):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        assert np.isfinite(load(path).predict(TEXTS)).all()
    for end in rng.integers(len(whole), size=20):
        path.write_bytes(whole[:end])
        assert not load(path).learners


@pytest.mark.parametrize(
    "change",
    [
        {"middle_values_0": None},
        {"middle_values_0": np.zeros(3)},
        {"spread_values_1": np.array(["x"])},
        {"header": np.frombuffer(b"[]", dtype=np.uint8)},
        {"header": np.frombuffer(b"{", dtype=np.uint8)},
    ],
    ids=["missing", "short", "text", "no header", "no JSON"],
)
def test_an_archive_of_other_things_is_set_aside(
    change: dict[str, Any], path: Path, taught: LengthPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    save(taught, path)
    rewrite(path, **change)
    assert set_aside(path, caplog)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("middle_values_0", value) for value in (np.nan, np.inf)),
        *(("spread_squares_1", value) for value in (np.nan, 0.0, -1.0)),
    ],
)
def test_numbers_that_would_poison_predictions_are_set_aside(
    name: str,
    value: float,
    path: Path,
    taught: LengthPredictor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    save(taught, path)
    with np.load(path) as file:
        array = file[name].copy()
    array[0] = value
    rewrite(path, **{name: array})
    assert set_aside(path, caplog)


@pytest.mark.parametrize("field", ["format", "features"])
def test_the_state_of_another_version_is_set_aside(
    field: str, path: Path, taught: LengthPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    save(taught, path)
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes())
    header[field] = 99
    rewrite(path, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8))
    assert set_aside(path, caplog)


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    path: Path, taught: LengthPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(taught, path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="disk full"):
        save(LengthPredictor(), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
