"""WholeEvents: a stream of events that never stops in the middle of one.

What breaks off is followed by an event that says so; glued to half a line, nobody could read it.
"""

MAX_HELD = 64 * 1024
"""Bytes of an unfinished event that are held back; a longer one goes on as it comes."""

_ENDS = (b"\n\n", b"\r\n\r\n")


class WholeEvents:
    """Holds back what is not yet a whole event. Bytes and their order are left as they are."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        """All that may go on now."""
        if not self.held and data.endswith(_ENDS):
            return data
        data = self.held + data
        ends = (at + len(end) for end in _ENDS if (at := data.rfind(end)) >= 0)
        whole = max(ends, default=0)
        if len(data) - whole > MAX_HELD:
            whole = len(data)
        self.held = data[whole:]
        return data[:whole]
