import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from semsched.serve.config.file import (
    MAX_FAULTS,
    MAX_FILE_BYTES,
    ConfigError,
    Loc,
    fault,
    lines_of,
    read_config,
)
from semsched.serve.config.values import Table


class Inner(Table):
    size: int
    least: int = 0

    @model_validator(mode="after")
    def _check(self) -> "Inner":
        if self.least > self.size:
            raise fault(("least",), "is more than size: make it less")
        return self


class Outer(Table):
    inner: Inner | None = None
    items: Annotated[tuple[Inner, ...], Field(strict=False)] = ()
    names: dict[str, str] | None = None
    flag: bool = False


def faults(tmp_path: Path, content: str | bytes) -> list[str]:
    path = tmp_path / "c.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_config(Outer, path)
    return [line.removeprefix(f"{path}") for line in str(caught.value).splitlines()]


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfflag = true\r\n[inner]\r\nsize = 2\r\n")
    assert read_config(Outer, path) == Outer(flag=True, inner=Inner(size=2))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("flag = 1", ":1: flag: should be a valid boolean"),
        ("\n\nsize = 1", ":3: size: unknown key: use one of inner, items, names, flag"),
        ("[inner]\nsiez = 1\nsize = 1", ":2: inner.siez: unknown key: use one of size, least"),
        ("\n[inner]", ":2: inner.size: is missing"),
        ("inner = 3", ":1: inner: should be a table"),
        ("[inner]\nsize = 1\nleast = 2", ":3: inner.least: is more than size: make it less"),
        ("inner = {size = -1}", ":1: inner.least: is more than size: make it less"),
        ("items = 3", ":1: items: should be a list"),
        ("[names]\na = 'x'\n'b c' = 3", ":3: names.'b c': should be a valid string"),
        ("flag = true\nflag = true", ":2: not TOML: Cannot overwrite a value"),
        ("flag = \n", ":1: not TOML: Invalid value"),
        ("flag = true\nx = '''", ":2: not TOML: Expected \"'''\""),
        (b"flag = true\n# \xff", ":2: not UTF-8: save the file as UTF-8"),
        ("flag = " + "[" * 5000, ": not TOML that we read: nested too deeply"),
        ("flag = " + "9" * 5000, ": not TOML: Exceeds the limit"),
        ("#" * 10_000_000, f": larger than {MAX_FILE_BYTES} bytes"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, content: str | bytes, fault: str) -> None:
    [told] = faults(tmp_path, content)
    assert told.startswith(fault)
    assert len(told) < 200


def test_the_right_one_of_several_tables_is_blamed(tmp_path: Path) -> None:
    told = faults(tmp_path, '[[items]]\nsize = 1\n[[items]]\nsize = "2"\n[[items]]\nleast = 1\n')
    assert told == [":4: items[1].size: should be a valid integer", ":5: items[2].size: is missing"]


def test_a_crowd_of_faults_is_cut_short(tmp_path: Path) -> None:
    told = faults(tmp_path, "\n".join(f"k{i} = 0" for i in range(MAX_FAULTS + 7)))
    assert len(told) == MAX_FAULTS + 1
    assert told[-1] == "... and 7 more"


def test_names_of_keys_cannot_break_a_line_or_flood(tmp_path: Path) -> None:
    [told] = faults(tmp_path, '"a\\nb\\u001b[31m" = 1')
    assert told.startswith(":1: 'a\\nb\\x1b[31m': unknown key")
    [told] = faults(tmp_path, f"{'k' * 10_000} = 1")
    assert len(told) < 200


@pytest.mark.parametrize("make", [Path.mkdir, lambda _: None])
def test_what_is_no_file_cannot_be_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "c.toml"
    make(path)
    with pytest.raises(ConfigError, match=r"c.toml: cannot be read: (Is a|No such)"):
        read_config(Outer, path)


# --- lines_of against tomllib: the same places, each on the line where it is written --------------


class Writer:
    """Writes a random document in which every scalar holds a number that no other holds."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw
        self._number = 1000

    def below(self, limit: int) -> int:
        return self._draw(st.integers(0, limit - 1))

    def next(self) -> int:
        self._number += 1
        return self._number

    def pick(self, *choices: str) -> str:
        return choices[self.below(len(choices))]

    def key(self) -> str:
        n = self.next()
        return self.pick(f"k{n}", f"k-{n}", f'"k.{n} = [#"', f"'k \"{n}'", f'"\\u006b\\"{n}"')

    def dotted(self) -> str:
        return self.pick(".", " . ").join(self.key() for _ in range(1 + self.below(3)))

    def value(self, depth: int) -> str:
        kind = self.below(10 if depth else 8)
        if kind >= 8:
            pad = self.pick("", " ", "\n", " # no ] here, 'nor \"\n\n")
            items = [f"{pad}{self.value(depth - 1)}{pad}" for _ in range(self.below(4))]
            return f"[{','.join(items)}{',' if items and self.below(2) else ''}{pad}]"
        if kind >= 7 and depth:
            pairs = [f"{self.dotted()} = {self.value(depth - 1)}" for _ in range(self.below(3))]
            return f"{{ {', '.join(pairs)} }}"
        n = self.next()
        return self.pick(
            *(f"{n}", f"{n}.5e1", f"{n}-05-27 07:32:00", f"{n}-05-27T07:32:00Z"),
            *(
                f'"{n} \\"]# "',
                f"'{n} \\'",
                f'"""{n}\n[no]\\""" = 1\n"""""',
                f"'''{n}\n\"x = 1'''''",
            ),
        )

    def pairs(self) -> str:
        space = self.pick("", "\n", "# [no]\n", "\t")
        return "".join(
            f"{space}{self.dotted()}{self.pick(' = ', '=')}{self.value(2)}{self.pick('', ' # x')}\n"
            for _ in range(self.below(4))
        )

    def sections(self, parent: str, depth: int) -> Iterator[str]:
        for _ in range(self.below(3) if depth else 0):
            name = f"{parent}{self.dotted()}"
            if self.below(2):
                yield f"{self.pick('', '  ')}[{name}]{self.pick('', ' # y')}\n{self.pairs()}"
                yield from self.sections(f"{name}.", depth - 1)
                continue
            for _ in range(1 + self.below(3)):
                yield f"[[ {name} ]]\n{self.pairs()}"
                yield from self.sections(f"{name}.", depth - 1)


@st.composite
def documents(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    text = writer.pairs() + "".join(writer.sections("", 3))
    return text.replace("\n", "\r\n") if writer.below(4) == 0 else text


def leaves(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*loc, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*loc, i))
    yield loc, value


@given(documents())
def test_every_place_is_found_on_its_line(text: str) -> None:
    lines, rows = lines_of(text), text.split("\n")
    found = dict(leaves(tomllib.loads(text)))
    del found[()]
    assert lines.keys() == found.keys()
    for loc, value in found.items():
        row = rows[lines[loc] - 1]
        if not isinstance(value, dict | list):
            assert re.findall(r"\d{4}", str(value))[0] in row
        elif isinstance(loc[-1], str):
            assert re.findall(r"\d{4}", loc[-1])[0] in row
