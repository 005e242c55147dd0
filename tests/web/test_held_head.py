import asyncio

from semsched.web.held_head import HeldHead


class Wire(asyncio.Transport):
    """Remembers what was written; closed, it takes nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.said.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def held(wire: Wire) -> HeldHead:
    return HeldHead(wire, asyncio.get_running_loop())


async def round_about() -> None:
    """Let the loop come round."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_the_head_goes_out_with_the_beginning_of_the_body() -> None:
    async def scene() -> None:
        wire = Wire()
        transport = held(wire)
        for piece in (b"head", b"body", b"more"):
            transport.write(piece)
        assert wire.said == [b"headbody", b"more"]
        await round_about()
        assert wire.said == [b"headbody", b"more"]

    asyncio.run(scene())


def test_it_does_not_wait_for_a_body_that_begins_late() -> None:
    async def scene() -> None:
        wire = Wire()
        transport = held(wire)
        transport.write(b"head")
        assert wire.said == []
        await round_about()
        assert wire.said == [b"head"]
        transport.write(b"body")
        assert wire.said == [b"head", b"body"]

    asyncio.run(scene())


def test_to_close_delivers_it() -> None:
    async def scene() -> None:
        wire = Wire()
        transport = held(wire)
        transport.write(b"head")
        transport.close()
        await round_about()
        assert (wire.said, transport.is_closing()) == ([b"head"], True)

    asyncio.run(scene())


def test_who_is_gone_is_not_told() -> None:
    async def scene() -> None:
        wire = Wire()
        held(wire).write(b"head")
        wire.close()
        await round_about()
        assert wire.said == []

    asyncio.run(scene())
