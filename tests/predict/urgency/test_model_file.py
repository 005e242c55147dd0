import io
import os
import pickle
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semsched.errors import InputError
from semsched.predict.urgency import model_file as module
from semsched.predict.urgency.embedded import Head
from semsched.predict.urgency.features import NUM_PIECES
from semsched.predict.urgency.model import FACT, OUTPUTS, LinearModel
from semsched.predict.urgency.model_file import (
    MAX_WEIGHT,
    UrgencyModelFile,
    from_bytes,
    load_model,
    shipped,
    to_bytes,
)

NAMES = ("feuer", "fire", "not breath", "\u706b", f"{FACT}size 3")


def made() -> UrgencyModelFile:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(NAMES) + NUM_PIECES, len(OUTPUTS))).astype(np.float32)
    bias = rng.normal(size=len(OUTPUTS)).astype(np.float32)
    head = Head(rng.normal(size=(4, len(OUTPUTS))).astype(np.float32), bias + 1, 0.35)
    return UrgencyModelFile(
        LinearModel({name: i for i, name in enumerate(NAMES)}, weights, bias), head
    )


WHOLE = to_bytes(made())


def same(a: UrgencyModelFile, b: UrgencyModelFile) -> bool:
    """Whether both hold the same, to the last bit."""
    if a.head is None or b.head is None:
        return False
    pairs = [
        (a.linear.weights, b.linear.weights),
        (a.linear.bias, b.linear.bias),
        (a.head.weights, b.head.weights),
        (a.head.bias, b.head.bias),
    ]
    return (
        a.linear.index == b.linear.index
        and a.head.share == b.head.share
        and all(np.array_equal(x, y) for x, y in pairs)
    )


def is_whole_or_refused(content: bytes) -> bool:
    """False if it is refused with one line, True if all is there; anything else is an error."""
    message = ""
    try:
        assert same(from_bytes(content), from_bytes(WHOLE))
    except ValueError as error:
        message = str(error)
    assert len(message.splitlines()) < 2
    return not message


def changed(**changes: Any) -> bytes:
    """The file with other arrays in it; None takes one out."""
    with np.load(io.BytesIO(WHOLE)) as arrays:
        held = {name: arrays[name] for name in arrays.files} | changes
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: a for name, a in held.items() if a is not None})
    return buffer.getvalue()


def test_what_was_written_is_read() -> None:
    before, after = made(), from_bytes(WHOLE)
    assert after.linear.index == before.linear.index
    np.testing.assert_array_equal(after.linear.bias, before.linear.bias)
    steps = np.abs(before.linear.weights).max(axis=0) / 127
    assert (np.abs(after.linear.weights - before.linear.weights) <= 0.501 * steps).all()
    assert before.head is not None
    assert after.head is not None
    np.testing.assert_allclose(after.head.weights, before.head.weights, rtol=1e-3)
    np.testing.assert_array_equal(after.head.bias, before.head.bias)
    assert after.head.share == before.head.share


def test_a_model_without_a_head_comes_back_without_one() -> None:
    assert from_bytes(to_bytes(UrgencyModelFile(made().linear))).head is None


def test_an_output_without_weights_stays_without() -> None:
    linear = made().linear
    linear.weights[:, 3] = 0
    assert not from_bytes(to_bytes(UrgencyModelFile(linear))).linear.weights[:, 3].any()


def test_the_same_model_gives_the_same_bytes() -> None:
    assert to_bytes(made()) == WHOLE


def test_damage_anywhere_is_seen_or_does_no_harm() -> None:
    rng = np.random.default_rng(0)
    directory = WHOLE.index(b"PK\x01\x02")
    places = [*rng.integers(len(WHOLE), size=500), *range(directory, len(WHOLE))]
    refused = 0
    for at in places:
        damaged = bytearray(WHOLE)
        damaged[at] ^= int(rng.integers(1, 256))
        refused += not is_whole_or_refused(bytes(damaged))
    assert refused > len(places) / 2


def test_damage_to_a_header_is_seen_or_does_no_harm() -> None:
    with np.load(io.BytesIO(WHOLE)) as arrays:
        held = {name: arrays[name] for name in arrays.files}
    buffer = io.BytesIO()
    np.savez(buffer, **held)  # not packed: what parses the headers meets the damage before the sum
    plain = buffer.getvalue()
    starts = [member.header_offset for member in zipfile.ZipFile(io.BytesIO(plain)).infolist()]
    for start in starts:
        for at in range(start, start + 160):
            damaged = bytearray(plain)
            damaged[at] ^= 0x20
            is_whole_or_refused(bytes(damaged))


def test_a_file_that_was_cut_is_refused() -> None:
    rng = np.random.default_rng(0)
    for end in (0, 1, len(WHOLE) - 1, *rng.integers(len(WHOLE), size=100)):
        assert not is_whole_or_refused(WHOLE[:end])


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def archive(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"hello", b"PK\x03\x04", b"\x93NUMPY", b"\x00" * 1000, npy(), pickle.dumps({})),
        *(archive(), archive(format=b"hello"), archive(names=npy())),
        archive(zipfile.ZIP_LZMA, format=npy()),
    ],
    ids=[
        *("empty", "text", "zip head", "npy head", "zeros", "npy", "pickle"),
        *("empty zip", "zip of text", "zip of another array", "lzma"),
    ],
)
def test_a_foreign_file_is_refused(content: bytes) -> None:
    assert not is_whole_or_refused(content)


def weights(value: float, dtype: Any = np.float64) -> Any:
    return np.full((len(NAMES) + NUM_PIECES, len(OUTPUTS)), value, dtype=dtype)


ROW = np.zeros(len(OUTPUTS))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("format", "names", "weights", "scale", "bias", "head_bias")),
        {"format": np.int64(2)},
        {"format": np.float64(np.inf)},
        {"names": np.frombuffer(b"\xff\n" * 4, dtype=np.uint8)},
        {"names": np.frombuffer(b"one\nless", dtype=np.uint8)},
        {"weights": weights(1)[1:]},
        {"weights": weights(1, complex)},
        {"weights": weights(1, str)},
        {"scale": np.full(len(OUTPUTS), np.nan)},
        {"scale": np.full(len(OUTPUTS), 1e300)},
        {"bias": ROW + MAX_WEIGHT},
        {"bias": ROW - np.inf},
        {"bias": ROW[1:]},
        {"bias": ROW.astype("M8[s]")},
        {"head_weights": np.zeros((4, 3))},
        {"head_weights": np.float64(1)},
        {"head_share": np.float64(np.nan)},
        {"head_share": np.float64(1.01)},
        {"head_share": np.float64(-0.01)},
        {"head_share": np.zeros(2)},
        {"more": np.zeros(1)},
    ],
    ids=repr,
)
def test_an_archive_of_other_things_is_refused(changes: dict[str, Any]) -> None:
    assert not is_whole_or_refused(changed(**changes))


def test_the_file_that_the_others_are_made_of_is_whole() -> None:
    assert is_whole_or_refused(changed())


class Trap:
    """Unpickling it is noticed."""

    sprung = False

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return spring, ()


def spring() -> None:
    Trap.sprung = True


def test_nothing_is_unpickled() -> None:
    content = changed(scale=np.array([Trap()] * len(OUTPUTS), dtype=object))
    assert b"spring" in zipfile.ZipFile(io.BytesIO(content)).read("scale.npy")
    assert not is_whole_or_refused(content)
    assert not Trap.sprung


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(more=np.zeros(10_000_000, dtype=np.int8))
    assert len(bomb) < 100_000
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="unpacks to more than 1000000 bytes"):
        from_bytes(bomb)


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(WHOLE)
    assert same(load_model(path), from_bytes(WHOLE))


def test_a_huge_file_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(WHOLE)
    os.truncate(path, 1 << 42)  # with a hole that takes no room on the disk
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    with pytest.raises(InputError, match=r"model\.npz: not an urgency model"):
        load_model(path)


@pytest.mark.parametrize("content", [None, b"", b"hello", WHOLE[:-9]])
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        load_model(path)
    [line] = str(raised.value).splitlines()
    assert line.startswith(f"{path}: ")


def test_what_comes_along_is_less_than_a_megabyte() -> None:
    folder = files("semsched.predict.urgency")
    sizes = [len(folder.joinpath(name).read_bytes()) for name in ("model.npz", "lexicon.toml")]
    assert sum(sizes) < 1_000_000


def test_the_model_that_comes_along_is_read_once() -> None:
    assert shipped() is shipped()
    assert len(shipped().linear.index) > 1_000
