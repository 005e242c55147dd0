"""A TOML file of settings, and what is wrong with it: a line for each fault, with its place."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from semsched.errors import InputError

MAX_FILE_BYTES = 1_000_000
MAX_FAULTS = 20
"""Faults that are shown; who mends so many sees the rest."""

Loc = tuple[int | str, ...]
"""The way to a value: names of keys, and places in lists."""

M = TypeVar("M", bound=BaseModel)


class ConfigError(InputError):
    """Settings that cannot be used; the message has a line for each fault:
    `FILE:LINE: key: what is wrong`. Keys to an API and their hashes are never shown."""


def fault(at: Loc, why: str) -> PydanticCustomError:
    """What the validator of a table raises if the key `at` of that table is to blame."""
    return PydanticCustomError("fault", "{why}", {"why": why, "at": at})


def read_config(model: type[M], path: Path) -> M:
    """The settings in a TOML file; raises ConfigError."""
    text = _text(path)
    try:
        data, lines = tomllib.loads(text), lines_of(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: not TOML that we read: nested too deeply") from error
    except ValueError as error:  # tomllib's own, or a number beyond what Python reads
        raise ConfigError(_syntax_fault(path, text, error)) from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        faults = [_fault_line(path, model, lines, detail) for detail in details]
        raise ConfigError("\n".join(_shortened(list(dict.fromkeys(faults))))) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8: save the file as UTF-8") from None


def _syntax_fault(path: Path, text: str, error: ValueError) -> str:
    why, _, place = str(error).partition(" (at ")
    line = re.match(r"line (\d+)", place)
    if line:
        return f"{path}:{line[1]}: not TOML: {why}"
    if place:  # the end of the document
        return f"{path}:{text.count(chr(10)) + 1}: not TOML: {why}"
    return f"{path}: not TOML: {why}"


def _shortened(faults: list[str]) -> list[str]:
    more = len(faults) - MAX_FAULTS
    return faults if more <= 0 else [*faults[:MAX_FAULTS], f"... and {more} more"]


# --- what is wrong, in words ---------------------------------------------------------------------

_WORDS = {
    "missing": "is missing",
    "model_type": "should be a table",
    "dict_type": "should be a table",
    "tuple_type": "should be a list",
    "path_type": "should be the path of a file, as text",
}


def _fault_line(
    path: Path, model: type[BaseModel], lines: dict[Loc, int], detail: ErrorDetails
) -> str:
    loc: Loc = (*detail["loc"], *detail.get("ctx", {}).get("at", ()))
    known = loc
    while known and known not in lines:
        known = known[:-1]
    shown = loc if detail["type"] in ("missing", "fault") else known or loc
    why = _why(model, detail)
    where = f"{path}:{lines[known]}" if known else f"{path}"
    return " ".join(f"{where}: {_key(shown)}: {why}".split())


def _why(model: type[BaseModel], detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key: use one of {', '.join(_keys_of(model, detail['loc'][:-1]))}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
    return _WORDS.get(detail["type"], message)


def _keys_of(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the table at `loc` may have."""
    table = model
    for part in loc:
        if isinstance(part, str):
            table = _table_in(table.model_fields[part].annotation) or table
    return list(table.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `annotation`, maybe within a tuple or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_table_in, get_args(annotation))), None)


def _key(loc: Loc) -> str:
    """`loc` as people write it: backends[1].url."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_bare(part)}" for part in loc]
    return "".join(parts).removeprefix(".")


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,60}", name, re.ASCII) else f"{name!r:.60}"


# --- where it stands -----------------------------------------------------------------------------

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_DOTTED = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_HEADER = re.compile(rf"(\[\[?)[ \t]*({_DOTTED.pattern})[ \t]*\]\]?")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(
    r""""{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*\'"""
    r"|[^\s,\]}#]+(?:\ \d[^\s,\]}#]*)?",  # a date may be parted from its time by a space
    re.DOTALL,
)


def lines_of(text: str) -> dict[Loc, int]:
    """The line on which each table, key and item of a list begins; `text` must be TOML."""
    return _Scanner(text).scanned()


class _Scanner:
    """Walks over a text that tomllib has read without complaint."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Loc, int] = {}
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._sizes: dict[Loc, int] = {}
        """Tables so far in each array of tables."""

    def scanned(self) -> dict[Loc, int]:
        table: Loc = ()
        while self._next():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _next(self) -> str:
        """The next character that means something, '' at the end."""
        self._pass(_SPACE)
        return self.text[self.at : self.at + 1]

    def _pass(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise AssertionError("tomllib would have complained")
        self.at = match.end()
        return match

    def _note(self, loc: Loc) -> None:
        """`loc` begins on this line, and so do the tables around it that were not named yet."""
        line = bisect_left(self._ends, self.at) + 1
        for size in range(1, len(loc) + 1):
            self.lines.setdefault(loc[:size], line)

    def _header(self) -> Loc:
        """[a.b] and [[a.b]]: within an array of tables its latest one is meant."""
        match = self._pass(_HEADER)
        loc: Loc = ()
        *parents, name = _names(match[2])
        for parent in parents:
            loc = self._latest((*loc, parent))
        loc = (*loc, name)
        if match[1] == "[[":
            self._sizes[loc] = self._sizes.get(loc, 0) + 1
            loc = self._latest(loc)
        self._note(loc)
        return loc

    def _latest(self, loc: Loc) -> Loc:
        return (*loc, self._sizes[loc] - 1) if loc in self._sizes else loc

    def _pair(self, table: Loc) -> None:
        loc = (*table, *_names(self._pass(_DOTTED)[0]))
        self._note(loc)
        self.at = self.text.index("=", self.at) + 1
        self._value(loc)

    def _value(self, loc: Loc) -> None:
        first = self._next()
        if first == "[":
            for i, _ in enumerate(self._items("]")):
                self._note((*loc, i))
                self._value((*loc, i))
        elif first == "{":
            for _ in self._items("}"):
                self._pair(loc)
        else:
            self._pass(_SCALAR)

    def _items(self, closing: str) -> Iterator[None]:
        """Stops in front of each item up to `closing`, which is passed."""
        self.at += 1
        while self._next() != closing:
            if self.text[self.at] == ",":
                self.at += 1
            else:
                yield
        self.at += 1


def _names(dotted: str) -> Iterator[str]:
    """The names in a dotted key, their quotes and escapes resolved."""
    value: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(value, dict):
        [(name, value)] = value.items()
        yield name
