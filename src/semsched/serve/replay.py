"""Replay: a journal's decisions made again by a dispatcher that was told the same.

Live, the acts came from sockets and timers; here they come from a file. The dispatcher, its queue
and its ranks are core's, the simulator's; what it says must be what was written, byte for byte.
"""

from collections.abc import Callable, Iterator
from inspect import get_annotations, signature
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from semsched.core.dispatch import Dispatcher
from semsched.errors import InputError
from semsched.serve.journal import FORMAT, Head
from semsched.serve.row import Row

ACTS: dict[str, Callable[..., Any]] = {
    act.__name__: act
    for act in (
        Dispatcher.offer,
        Dispatcher.assign,
        Dispatcher.retry,
        Dispatcher.end,
        Dispatcher.expire,
        Dispatcher.rerank,
        Dispatcher.open_engine,
        Dispatcher.close_engine,
        Dispatcher.set_limits,
    )
}
"""Everything that a journal may say was done."""

_KINDS = {
    name: tuple(get_annotations(act, eval_str=True)[p] for p in list(signature(act).parameters)[1:])
    for name, act in ACTS.items()
}
"""What each act is given."""


class Line(msgspec.Struct):
    """A line of a journal; exactly one of `head`, `do` and `row` is there."""

    head: Head | None = None
    do: str | None = None
    given: list[msgspec.Raw] = msgspec.field(default_factory=list, name="with")
    got: msgspec.Raw = msgspec.Raw(b"null")
    row: Row | None = None


class Difference(NamedTuple):
    """A decision that came out otherwise."""

    line: int
    act: str
    live: str
    replayed: str


class Replayed(NamedTuple):
    """What came of a replay."""

    policy: str
    """The name of the policy at the start."""
    num_acts: int
    num_decisions: int
    """Acts that decided something: who goes where, who is turned away, who waited too long."""
    differences: list[Difference]
    rows: list[Row]


class JournalError(InputError):
    """A file that is no journal; the message names the line."""


def replay(path: Path) -> Replayed:
    """Do again all that the journal at `path` says was done. Raises JournalError."""
    lines = _lines(path)
    number, first = next(lines, (0, Line()))
    if first.head is None or first.head.format != FORMAT:
        raise JournalError(f"{path}:{number}: not a journal of this version of `semsched serve`")
    dispatcher = Dispatcher(first.head.cost, first.head.limits)
    result = Replayed(first.head.policy, 0, 0, [], [])
    for number, line in lines:
        if line.row is not None:
            result.rows.append(line.row)
        elif line.do is not None:
            try:
                replayed = _redo(dispatcher, line.do, line.given)
            except (msgspec.ValidationError, ValueError, KeyError) as error:
                raise JournalError(f"{path}:{number}: {line.do}: {error}") from None
            if replayed != bytes(line.got):
                said = (bytes(line.got).decode(), replayed.decode())
                result.differences.append(Difference(number, line.do, *said))
            decided = replayed not in (b"null", b"[]", b"true")
            result = result._replace(
                num_acts=result.num_acts + 1, num_decisions=result.num_decisions + decided
            )
    return result


def _redo(dispatcher: Dispatcher, name: str, given: list[msgspec.Raw]) -> bytes:
    """Do one act again; what came of it, as JSON."""
    kinds = zip(given, _KINDS[name], strict=True)
    arguments = [msgspec.json.decode(raw, type=kind) for raw, kind in kinds]
    return msgspec.json.encode(ACTS[name](dispatcher, *arguments))


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    """The lines with their numbers; a last one that was cut off is left out."""
    decoder = msgspec.json.Decoder(Line)
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith(b"\n"):
                return
            try:
                line = decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise JournalError(f"{path}:{number}: {error}") from None
            if line.do is not None and line.do not in ACTS:
                raise JournalError(f"{path}:{number}: no act is called {line.do!r}")
            yield number, line
