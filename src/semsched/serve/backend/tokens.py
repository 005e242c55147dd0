"""TokenCount: how many tokens an answer had, told from its bytes as they go by.

Nothing is parsed on the way. What an engine says of its own tokens comes last, so the end of the
answer is kept, and looked into only when somebody asks.
"""

import re
from json import JSONDecoder
from typing import Any, NamedTuple

MAX_TAIL = 64 * 1024
"""Most bytes kept of the end of an answer, at least half of them; its usage is in there."""

MOST_UNREAD = 4096
"""Bytes that are laid aside before they are looked at: a stream comes in many small parts."""

EDGE = 2048
"""Bytes at either end of a stream in which events without content are looked for."""

_EVENT = b"\ndata:"
_COMPLETED = b'"response.completed"'
_BROKEN = re.compile(rb'"type"\s*:\s*"(?:response\.failed|response\.cancelled|error)"')
"""How an engine itself ends a response that it does not complete."""
_ERROR = re.compile(rb'\ndata:[ ]?\{\s*"(?:error"\s*:\s*\{|object"\s*:\s*"error")')
"""An event that is an error. vLLM says [DONE] after one all the same."""
_INCOMPLETE = b'"response.incomplete"'
_OVERLAP = len(_INCOMPLETE) - 1
"""Bytes of the last part that are looked at again, in case something began in them."""

_EMPTY_EVENT = re.compile(
    rb"\ndata:(?![^\n]*"
    rb'"(?:content|text|reasoning|reasoning_content|refusal|arguments|delta)"\s*:\s*"[^"])'
)
"""An event that carries no content: who speaks, why it ended, usage, [DONE]. Within a JSON string
quotes are escaped, so that no text can look like a key."""

_DONE = re.compile(rb"\ndata:\s*\[DONE\]")
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_AT_LIMIT = re.compile(rb'"finish_reason"\s*:\s*"length"|"status"\s*:\s*"incomplete"')
_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_JSON = JSONDecoder()


class _Findings(NamedTuple):
    """What the bytes so far say."""

    tokens: int
    prompt_tokens: int | None
    saw_done: bool
    finish_reason_length: bool


class TokenCount:
    """Feed it an answer of /v1/chat/completions, /v1/completions or /v1/responses, streamed or
    whole, in parts of any size; ask at any time. Where the engine does not say, tokens are the
    events with content so far: exact if each holds one token and the first and the last few are
    the only ones that hold none."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._num_events = 0
        self._overlap = b"\n"  # so that the first line begins a line, too
        self._saw_completed = False
        self._saw_incomplete = False
        self._head = b"\n"
        self._tail = bytearray()
        self._num_bytes = 1
        self._findings: _Findings | None = None

    def feed(self, data: bytes) -> None:
        """The next part."""
        self._unread += data
        if len(self._unread) >= MOST_UNREAD:
            self._read()

    def _read(self) -> None:
        """Look at what was laid aside."""
        if not self._unread:
            return
        data = bytes(self._unread)
        self._unread.clear()
        seam = self._overlap + data
        self._num_events += seam.count(_EVENT) - self._overlap.count(_EVENT)
        if _COMPLETED in seam:
            self._saw_completed = True
        elif _INCOMPLETE in seam:
            self._saw_incomplete = True
        self._overlap = seam[-_OVERLAP:]
        self._keep(data)
        self._findings = None

    @property
    def so_far(self) -> int:
        """Events of a stream so far; what they hold is not looked into."""
        self._read()
        return self._num_events

    @property
    def tokens(self) -> int:
        """Output tokens: what the engine says, else the number of events with content."""
        return self._found().tokens

    @property
    def prompt_tokens(self) -> int | None:
        """What the engine says; None if it does not."""
        return self._found().prompt_tokens

    @property
    def saw_done(self) -> bool:
        """Whether a stream came to its proper end: [DONE], response.completed or .incomplete."""
        return self._found().saw_done

    @property
    def saw_end(self) -> bool:
        """The same, or that the engine said why it stopped: not all of them say [DONE]."""
        return self.saw_done or _FINISHED.search(self._tail) is not None

    @property
    def saw_failure(self) -> bool:
        """Whether the engine says itself that it did not complete a stream."""
        self._read()
        last = self._last()
        return _ERROR.search(last) is not None or (
            not self.saw_done and _BROKEN.search(last) is not None
        )

    @property
    def finish_reason_length(self) -> bool:
        """Whether a limit cut the answer short."""
        return self._found().finish_reason_length

    def _keep(self, data: bytes) -> None:
        room = EDGE - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._tail += data
        self._num_bytes += len(data)
        if len(self._tail) > MAX_TAIL:
            del self._tail[: -MAX_TAIL // 2]

    def _found(self) -> _Findings:
        self._read()
        if self._findings is None:
            usage = self._usage()
            told = _count(usage, "completion_tokens", "output_tokens")
            self._findings = _Findings(
                self._num_contents() if told is None else told,
                _count(usage, "prompt_tokens", "input_tokens"),
                self._saw_completed
                or self._saw_incomplete
                or _DONE.search(self._last()) is not None,
                self._saw_incomplete or _AT_LIMIT.search(self._tail) is not None,
            )
        return self._findings

    def _usage(self) -> dict[str, Any]:
        """The last that was told, or the one before it if that was cut off."""
        for found in reversed(list(_USAGE.finditer(self._tail))[-2:]):
            text = self._tail[found.end() :].decode("utf-8", "replace")
            try:
                usage, _ = _JSON.raw_decode(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(usage, dict):
                return usage
        return {}

    def _num_contents(self) -> int:
        last = self._last()
        num_empty = len(_EMPTY_EVENT.findall(last))
        if self._num_bytes > len(last):
            first = self._head[: self._head.rfind(b"\n") + 1]  # its last event may go on
            num_empty += len(_EMPTY_EVENT.findall(first))
        return max(self._num_events - num_empty, 0)

    def _last(self) -> bytes:
        """The end of the answer; all of it if it is short."""
        if self._num_bytes <= 2 * EDGE:
            return b"\n" + bytes(self._tail)
        return bytes(self._tail[-EDGE:])


def _count(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if type(value) is int and 0 <= value < 2**53:
            return value
    return None
