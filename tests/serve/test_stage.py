import asyncio

from semsched.serve.stage import next_stage


def test_those_who_come_together_go_through_each_stage_together() -> None:
    went = list[str]()

    async def request(name: str) -> None:
        for stage in "123":
            went.append(f"{name}{stage}")
            await next_stage()

    async def play() -> None:
        await asyncio.gather(request("a"), request("b"), request("c"))

    asyncio.run(play())
    assert " ".join(went) == "a1 b1 c1 a2 b2 c2 a3 b3 c3"
