import json
from pathlib import Path

import pytest

from semsched.errors import InputError
from semsched.predict.examples import (
    ExampleFileError,
    Field,
    read_examples,
    read_objects,
    text_of_row,
)

FIELD = Field("size", 2, 5)


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def row(text: object, size: object) -> str:
    return json.dumps({"text": text, "size": size}) + "\n"


def test_texts_and_values_are_read_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, row("a", 2) + "\n  \n" + '{"size": 5, "more": {}, "text": "\u00e9"}')
    assert read_examples(path, FIELD) == (["a", "\u00e9"], [2, 5])


@pytest.mark.parametrize(
    "text", ["", "\u2028\x85\x0b\x1c", "a\nb\r\n", "\ud800", "\U0001f692", "x" * 99_999]
)
def test_any_text_is_read_as_it_is(text: str, tmp_path: Path) -> None:
    assert read_examples(written(tmp_path, row(text, 3)), FIELD) == ([text], [3])


def test_a_character_that_ends_a_line_elsewhere_ends_none_here(tmp_path: Path) -> None:
    path = written(tmp_path, '{"text": "a\u2028b\x85", "size": 3}\r\n' + row("c", 4))
    assert read_examples(path, FIELD) == (["a\u2028b\x85", "c"], [3, 4])


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + row("\ufeffa", 2) + row("b", 3))
    assert read_examples(path, FIELD) == (["\ufeffa", "b"], [2, 3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "a.jsonl:1: not JSON: "),
        ("tea", "a.jsonl:1: not JSON: "),
        (row("a", 2) + "\n" + "{]", "a.jsonl:3: not JSON: "),
        (row("a", 2) * 2 + row("a", 2).strip() * 2, "a.jsonl:3: not JSON: "),
        (row("a", 2) + "\ufeff" + row("a", 2), "a.jsonl:2: not JSON: "),
        ("[" * 100_000, "a.jsonl:1: not JSON: "),
        ('{"text": "a", "size": 1' + "0" * 9_999 + "}", "a.jsonl:1: not JSON: "),
        ("[]", 'a.jsonl:1: must be an object like {"text": "..."}'),
        ('"text"', 'a.jsonl:1: must be an object like {"text": "..."}'),
        ("null", 'a.jsonl:1: must be an object like {"text": "..."}'),
        ("{}", "a.jsonl:1: text: must be a string, got None"),
        (row(["a"], 2), "a.jsonl:1: text: must be a string, got ['a']"),
        ('{"text": "a"}', "a.jsonl:1: size: must be a whole number, got None"),
        (row("a", "3"), "a.jsonl:1: size: must be a whole number, got '3'"),
        (row("a", 3.0), "a.jsonl:1: size: must be a whole number, got 3.0"),
        (row("a", True), "a.jsonl:1: size: must be a whole number, got True"),
        (row("a", float("nan")), "a.jsonl:1: size: must be a whole number, got nan"),
        (row("a", "x\n" * 99), "a.jsonl:1: size: must be a whole number, got 'x\\nx\\n"),
        (row("a", 2) + row("a", 1), "a.jsonl:2: size: must be 2 to 5, got 1"),
        (row("a", 6), "a.jsonl:1: size: must be 2 to 5, got 6"),
        ("", "a.jsonl: has 0 rows, must have 1 or more"),
        (" \n\n", "a.jsonl: has 0 rows, must have 1 or more"),
        (b"\xff", "a.jsonl: cannot be read: "),
        (row("a", 2).encode() * 9_999 + b"\xff", "a.jsonl: cannot be read: "),
    ],
)
def test_a_file_that_holds_no_examples_is_refused_in_one_short_line(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ExampleFileError) as raised:
        read_examples(path, FIELD)
    said = str(raised.value).removeprefix(f"{tmp_path}/")
    assert said.startswith(message)
    assert "\n" not in said
    assert len(said) < 200


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as raised:
            read_examples(path, FIELD)
        assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("rows", "enough"), [(2, False), (3, True), (4, True)])
def test_there_must_be_as_many_rows_as_are_asked_for(
    rows: int, enough: bool, tmp_path: Path
) -> None:
    path = written(tmp_path, row("a", 2) * rows)
    if enough:
        assert read_examples(path, FIELD, least=3) == (["a"] * rows, [2] * rows)
    else:
        with pytest.raises(ExampleFileError, match="has 2 rows, must have 3 or more"):
            read_examples(path, FIELD, least=3)


def test_objects_come_with_their_places_one_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}\n\n{}\n[]\n')
    found = read_objects(path)
    assert next(found) == (f"{path}:1", {"a": 1})
    assert next(found) == (f"{path}:3", {})
    with pytest.raises(ExampleFileError, match=r":4: must be an object"):
        next(found)


def test_what_cannot_be_read_is_said_by_the_caller_of_objects(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_objects(tmp_path / "none.jsonl"))
    with pytest.raises(UnicodeDecodeError):
        list(read_objects(written(tmp_path, b"\xff")))


def test_the_text_of_a_row_is_a_string() -> None:
    assert text_of_row({"text": "a", "more": 1}, "here") == "a"
    with pytest.raises(ExampleFileError, match="here: text: must be a string, got 1"):
        text_of_row({"text": 1}, "here")
