"""An operator's own rules: what is known of a request -> its class, before any model.

    [[rule]]
    name = "ward"
    urgency = 0
    tenant = "hospital"                  # exactly
    header = { x-source = "ward-*" }     # * stands for any characters
    metadata = { kind = "alarm" }        # of the body, exactly
    pattern = 'code (blue|red)'          # RE2 syntax, anywhere in the text, in any case

All conditions of a rule must hold; the first rule that holds decides.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from semsched.errors import InputError
from semsched.request import CLASS_NAMES, NUM_CLASSES

MAX_RULES = 1_000
MAX_FILE_BYTES = 1_000_000

MAX_HEAD, MAX_TAIL = 10_000, 2_000
"""Characters at the ends of a text that patterns are searched in."""

MAX_PROGRAM = 1_000
"""Instructions of a compiled pattern. Searching is linear in the text; the worst patterns cost
about 0.05 ms for each instruction over MAX_HEAD + MAX_TAIL characters."""

MAX_MEMORY = 1 << 19
"""Bytes that a compiled pattern may take, the states it remembers included."""


class RulesError(InputError):
    """Rules that cannot be used; the message names the file, the rule and the field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request before it runs; its repr holds nothing that a person wrote.

    `headers` by name in any case, `metadata` as in the body: its values may be anything.
    """

    text: str = field(repr=False)
    tenant: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)


@lru_cache(maxsize=MAX_RULES)
def _compiled(pattern: str) -> Any:
    """`pattern` as an automaton, which cannot backtrack; raises ValueError with one line."""
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.case_sensitive = False
    options.never_capture = True  # capturing takes slower machinery, nobody asks for groups
    options.log_errors = False
    try:
        compiled = re2.compile(_utf8(pattern), options)
    except re2.error as error:
        raise ValueError(error.args[0].decode("utf-8", "replace")) from error
    if compiled.programsize > MAX_PROGRAM:
        raise ValueError(
            f"too large: compiles to {compiled.programsize} instructions, may have {MAX_PROGRAM}"
        )
    return compiled


def _compiles(pattern: str) -> str:
    _compiled(pattern)
    return pattern


Value = Annotated[str, Field(min_length=1, max_length=1_000)]
Values = Annotated[dict[Value, Annotated[str, Field(max_length=1_000)]], Field(max_length=20)]


def _number_of(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in CLASS_NAMES:
        raise ValueError(f"should be one of {', '.join(CLASS_NAMES)}, or 0 to {NUM_CLASSES - 1}")
    return CLASS_NAMES.index(value)


Urgency = Annotated[int, Field(ge=0, lt=NUM_CLASSES), BeforeValidator(_number_of)]
"""A class in a file: its name or its number."""


class Rule(BaseModel):
    """A class for the requests that meet all conditions; see above for what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[
        str, Field(min_length=1, max_length=100, description="The reason that is shown.")
    ]
    urgency: Annotated[Urgency, Field(description="The class, by name or number.")]
    tenant: Annotated[Value | None, Field(description="The tenant is exactly this.")] = None
    header: Annotated[
        Values, Field(description="Headers are like this; * stands for any characters.")
    ] = {}
    metadata: Annotated[Values, Field(description="The body's metadata holds exactly this.")] = {}
    pattern: Annotated[
        Annotated[Value, AfterValidator(_compiles)] | None,
        Field(description="RE2 syntax, found anywhere in the text, in any case."),
    ] = None

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if self.tenant is None and self.pattern is None and not self.header and not self.metadata:
            raise ValueError("must have a condition: tenant, header, metadata or pattern")
        return self


def matching(rules: Sequence[Rule], asked: Asked) -> Rule | None:
    """The first of `rules` whose conditions all hold; never raises, whatever was asked."""
    text = _searched(asked.text)
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return next((rule for rule in rules if _holds(rule, asked, headers, text)), None)


def _holds(rule: Rule, asked: Asked, headers: Mapping[str, str], text: bytes) -> bool:
    """Cheap conditions first: a pattern is searched only where all others hold."""
    return (
        (rule.tenant is None or rule.tenant == asked.tenant)
        and all(_fits(glob, headers.get(name.lower())) for name, glob in rule.header.items())
        and all(asked.metadata.get(key) == value for key, value in rule.metadata.items())
        and (rule.pattern is None or _compiled(rule.pattern).search(text) is not None)
    )


def _fits(glob: str, value: str | None) -> bool:
    """Whether `value` is `glob`, in which * stands for any characters; in linear time."""
    first, *middle = glob.split("*")
    if value is None or not middle:
        return value == glob
    last = middle.pop()
    at, end = len(first), len(value) - len(last)
    if at > end or not value.startswith(first) or not value.endswith(last):
        return False
    for piece in middle:
        found = value.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _searched(text: str) -> bytes:
    """The ends of `text`, parted by a line end so that no word spans the gap."""
    if len(text) > MAX_HEAD + MAX_TAIL:
        text = f"{text[:MAX_HEAD]}\n{text[-MAX_TAIL:]}"
    return _utf8(text)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # JSON may hold half a surrogate pair


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a TOML file, in its order; raises RulesError with one line."""
    tables = _tables(path)
    if len(tables) > MAX_RULES:
        raise RulesError(f"{path}: has {len(tables)} rules, may have {MAX_RULES}")
    return tuple(_rule(table, f"{path}: rule {i}") for i, table in enumerate(tables, 1))


def _tables(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        data = tomllib.loads(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesError(f"{path}: not TOML: {error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise RulesError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    tables = data.pop("rule", [])
    if data or not isinstance(tables, list):
        key = next(iter(data), "rule")
        raise RulesError(f"{path}: {key!r:.60}: rules must be tables [[rule]], nothing else")
    return tables


def _rule(table: Any, where: str) -> Rule:
    try:
        return Rule.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = table.get("name") if isinstance(table, dict) else None
        named = f" {name!r:.60}" if isinstance(name, str) else ""
        key = "".join(f"{part}: " for part in first["loc"])
        why = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        message = f"{where}{named}: {key}{why.removeprefix('Value error, ')}"
        raise RulesError(" ".join(message.split())) from error
