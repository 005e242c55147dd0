"""Logs: JSON lines on standard error, from which nobody learns a secret.

A line holds `time` (UTC), `level`, `logger`, `message` and what was given as `extra`; an exception
adds `error`, one line, and `trace`, the places it came through. Keys are masked wherever they
stand. What people wrote is left out unless the configuration allows it, and with it the message of
an exception that is not ours, which might quote it.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from traceback import StackSummary, walk_tb
from typing import Literal, TextIO

from semsched.request import CLASS_NAMES
from semsched.serve.visit import Visit

Level = Literal["debug", "info", "warning", "error"]

MAX_TEXT = 4000
"""Characters of a text that are shown."""
MAX_DEPTH = 4
"""Tables and lists within each other that are shown."""
MAX_FRAMES = 30
"""Places of a trace that are shown, the innermost."""

MASK = "[hidden]"

_requests = logging.getLogger("semsched.requests")
"""A line for each request, at its end."""


def configure(level: Level, prompt_text: bool) -> None:
    """Log from `level` on, and what people wrote if `prompt_text`; may be called again.

    Other packages are heard from warnings on only. All other handlers of the root are removed:
    they would not keep a secret.
    """
    root, named = logging.getLogger(), logging.getLevelNamesMapping()[level.upper()]
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonLines(prompt_text))
    root.handlers = [handler]
    root.setLevel(max(named, logging.WARNING))
    logging.getLogger("semsched").setLevel(named)
    logging.captureWarnings(True)
    _discretion.prompt_text = prompt_text


def log_request(visit: Visit) -> None:
    """Say what became of a request that has ended; times in seconds."""
    if not _requests.isEnabledFor(logging.INFO):
        return
    request = visit.entry.request
    fields = {
        "request_id": visit.request_id,
        "class": CLASS_NAMES[request.urgency],
        "source": visit.verdict.source,
        "tenant": request.tenant,
        "model": visit.model,
        "outcome": visit.outcome,
        "code": visit.code,
        "backend": visit.backend,
        "num_attempts": visit.num_attempts,
        "queue_time": round(visit.queue_time, 4),
        "ttft": _since(request.arrived_at, visit.first_token_at),
        "e2e": _since(request.arrived_at, visit.ended_at),
        "prompt_tokens": request.prompt_tokens,
        "predicted_output_tokens": request.predicted_output_tokens,
        "output_tokens": visit.output_tokens,
        "reason": visit.verdict.reason,
        "text": visit.text,
    }
    _requests.info("request", extra=fields)


def _since(start: float, instant: float | None) -> float | None:
    return None if instant is None else round(instant - start, 4)


# --- what nobody may see -------------------------------------------------------------------------

_TEXTS = frozenset(("body", "content", "input", "messages", "prompt", "reason", "text"))
"""Fields that hold what people wrote."""

_SECRETS = frozenset(
    "api_key apikey authorization cookie key password proxy_authorization secret set_cookie token "
    "x_api_key".split()
)
"""Fields that are masked; in small letters, with `_` for `-`."""

_SECRET = re.compile(
    r"""(?ix)
    (?<![a-z]) (?: authorization | api[-_]?key | cookie | password | secret )
        \\*['"]? \s* [:=,] \s* b?\\*['"]? (?P<value> [^'"\r\n]+ )
    | (?<![a-z]) bearer (?: \s | %20 )+ (?P<bearer> [^\s'"]+ )
    | (?<![a-z]) basic \s+ (?P<basic> [a-z0-9+/=_-]{8,} )
    | (?<![a-z]) (?P<key> sk-[\w.-]{8,} )
    | :// (?P<user> [^/\s@]+ ) @
    """
)
_SIGNS = (
    *("authorization", "api", "cookie", "password", "secret", "bearer", "basic", "sk-", "@"),
    "\\ud",  # as JSON shows half a character, or an emoji
)
"""A line without any of them, in small letters, has nothing to mask."""


class _Discretion(logging.Filter):
    """Takes what people wrote out of a record, before any handler sees it."""

    prompt_text = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        if not self.prompt_text:
            for name in _TEXTS & record.__dict__.keys():
                del record.__dict__[name]
        return True


_discretion = _Discretion()
_requests.addFilter(_discretion)


def _masked(value: object) -> object:
    """The same with every secret and every half of a character replaced."""
    match value:
        case str():
            return _SECRET.sub(_mask, value.encode("utf-8", "replace").decode())
        case dict():
            return {_masked(name): _masked(item) for name, item in value.items()}
        case list():
            return [_masked(item) for item in value]
    return value


def _mask(found: re.Match[str]) -> str:
    group = found.lastgroup or 0
    start, end = found.start(group) - found.start(), found.end(group) - found.start()
    return found[0][:start] + MASK + found[0][end:]


# --- lines ---------------------------------------------------------------------------------------

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"})
"""What every record has."""


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is lost, for the default would show what was in it
    on the same stream."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing can be said of it."""


class JsonLines(logging.Formatter):
    """Makes one line of ASCII of a record, whatever it holds."""

    def __init__(self, prompt_text: bool) -> None:
        super().__init__()
        self._prompt_text = prompt_text

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields: dict[str, object] = {
            "time": _utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(self._message(record)),
        }
        fields |= self._shown(
            {
                name: item
                for name, item in record.__dict__.items()  # what libraries add is private
                if name not in _STANDARD and name not in fields and not name.startswith("_")
            }
        )
        if record.exc_info and record.exc_info[1]:
            fields["error"] = _cut(self._error(record.exc_info[1]))
            fields["trace"] = list(self._trace(record.exc_info[1]))
        return _line(fields)

    def _message(self, record: logging.LogRecord) -> str:
        """From others the first line only: in more they show objects, and what is in those."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a wrong format must not lose the line
            message = f"{record.msg} ({type(error).__name__} in its arguments)"
        ours = record.name.partition(".")[0] == "semsched"
        return message if ours or self._prompt_text else message.partition("\n")[0]

    def _shown(self, given: dict[str, object], depth: int = 0) -> dict[str, object]:
        return {
            name: MASK if _is_secret(name) else self._plain(value, depth)
            for name, value in given.items()
            if self._prompt_text or name not in _TEXTS
        }

    def _plain(self, value: object, depth: int) -> object:
        """What JSON can hold; of an object its type only, for nobody knows what is in it."""
        match value:
            case None | bool():
                return value
            case str():
                return _cut(value)
            case int() if abs(value) < 2**63:
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case dict() if depth < MAX_DEPTH:
                return self._shown({str(name): item for name, item in value.items()}, depth + 1)
            case list() | tuple() if depth < MAX_DEPTH:
                return [self._plain(item, depth + 1) for item in value]
        return f"<{type(value).__name__}>"

    def _error(self, error: BaseException) -> str:
        name = type(error).__name__
        if self._prompt_text or type(error).__module__.partition(".")[0] == "semsched":
            return " ".join(f"{name}: {error}".split())
        if isinstance(error, OSError) and error.strerror:
            return f"{name}: {error.strerror}"
        return name

    def _trace(self, error: BaseException) -> Iterator[str]:
        """The places it came through, the innermost last; then those of its cause."""
        cause: BaseException | None = error
        seen: list[BaseException] = []
        while cause is not None and cause not in seen:
            if seen:
                yield _cut(f"caused by {self._error(cause)}")
            seen.append(cause)
            steps = walk_tb(cause.__traceback__)
            for step in StackSummary.extract(steps, limit=-MAX_FRAMES, lookup_lines=False):
                yield f"{step.filename}:{step.lineno} {step.name}"
            cause = _cause(cause)


def _cause(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        first: BaseException = error.exceptions[0]
        return first
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _line(fields: dict[str, object]) -> str:
    line = json.dumps(fields)
    small = line.lower()
    if any(map(small.__contains__, _SIGNS)):
        line = json.dumps(_masked(fields))
    return line.replace("\x7f", "\\u007f")


def _utc(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "_") in _SECRETS


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
