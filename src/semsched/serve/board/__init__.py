"""The board: the gateway's live page. One file without network, and a stream of snapshots."""

import base64
import hashlib
import re
from importlib.resources import files

from semsched.serve.board.feed import MAX_LISTENERS, Feed, TooManyListenersError
from semsched.serve.board.recent import Recent
from semsched.serve.board.snapshot import (
    MAX_RUNNING,
    MAX_WAITING,
    Backend,
    Clue,
    Counts,
    Ended,
    Lane,
    Queue,
    Running,
    Snapshot,
    Ttft,
    Waiting,
    clip,
)

__all__ = [
    "MAX_LISTENERS",
    "MAX_RUNNING",
    "MAX_WAITING",
    "PAGE",
    "PAGE_HEADERS",
    "Backend",
    "Clue",
    "Counts",
    "Ended",
    "Feed",
    "Lane",
    "Queue",
    "Recent",
    "Running",
    "Snapshot",
    "TooManyListenersError",
    "Ttft",
    "Waiting",
    "clip",
]


def _hashes(page: str, tag: str) -> str:
    """What a Content-Security-Policy says of the inline elements `tag`: these and no others."""
    inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(text.encode()).digest() for text in inside)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _policy(page: str) -> str:
    return (
        "default-src 'none'; connect-src 'self'; img-src data:; "
        f"script-src {_hashes(page, 'script')}; style-src {_hashes(page, 'style')}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


_TEXT = files(__name__).joinpath("board.html").read_text("utf-8")

PAGE = _TEXT.encode()
"""The page, as it is sent; its events are expected at its own address + `/events`."""

PAGE_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": _policy(_TEXT),
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The headers to send it with: nothing runs or loads but what stands in the page."""
