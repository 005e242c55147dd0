"""A backend that costs next to nothing: `python -m bench.gateway.stub PORT`.

A body with `"stub": {"events": 9, "gap": 0.05, "wait": 0}` is answered by a stream of so many
events, `gap` seconds apart, the first after `wait` seconds; any other by the same small answer.
Requests with `"note": "NAME"` in there are remembered: GET /seen tells of them, once.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

WHOLE = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "All is well."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
    }
).encode()

EVENT = (
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":0,"model":"stub",'
    b'"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def whole(body: bytes) -> bytes:
    """An answer in one piece."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def chunk(data: bytes) -> bytes:
    """A piece of an answer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = whole(WHOLE)
ONE_EVENT = chunk(EVENT)
LAST = chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"

seen: dict[str, dict[str, Any]] = {}
"""What came with each remembered request, and when its connection was lost."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        self._transport = transport
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._noted = ""

    def connection_lost(self, _: Exception | None) -> None:
        """It has gone."""
        if self._timer:
            self._timer.cancel()
        if self._noted:
            seen[self._noted]["lost_at"] = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """A piece of a request."""
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) >= size:
            self._buffer = rest[size:]
            self._answer(head, rest[:size])

    def _answer(self, head: bytes, body: bytes) -> None:
        if b'"stub"' in body:
            self._stream(head, json.loads(body))
        elif head.startswith(b"GET /seen "):
            self._transport.write(whole(json.dumps(seen).encode()))
            seen.clear()
        elif b'"stream":true' in body.replace(b" ", b""):
            self._transport.write(STREAM_HEAD + ONE_EVENT + LAST)
        else:
            self._transport.write(ANSWER)

    def _stream(self, head: bytes, body: dict[str, Any]) -> None:
        wanted = body["stub"]
        if name := wanted.get("note"):
            self._note(name, head, body)
        self._left, self._gap = wanted.get("events", 1), wanted.get("gap", 0.0)
        self._opening = STREAM_HEAD
        if not body.get("stream"):
            self._transport.write(ANSWER)
        elif wait := wanted.get("wait", 0.0):
            self._timer = asyncio.get_running_loop().call_later(wait, self._next)
        else:
            self._next()

    def _next(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._transport.write(self._opening + ONE_EVENT)
            self._timer = asyncio.get_running_loop().call_later(self._gap, self._next)
        else:
            self._transport.write(self._opening + ONE_EVENT + LAST)
            self._noted = ""
        self._opening = b""

    def _note(self, name: str, head: bytes, body: dict[str, Any]) -> None:
        self._noted = name
        lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
        headers = [(name.strip().lower(), value.strip()) for name, _, value in lines]
        seen[name] = {
            "at": time.monotonic(),
            "headers": headers,
            "priority": body.get("priority"),
        }


async def main(port: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
