import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsched.core.profile import EngineProfile, load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine import EmbeddedEngine, Generation, Job, RefusedError, WallClock
from semsched.policy import pjf, semantic
from semsched.simulate.ranks import rank_workload
from semsched.simulate.reference import run_reference
from semsched.workload import Workload
from tests.engine.virtual import VirtualClock, submit_at, until_idle
from tests.simulate.cases import engine as profile_of
from tests.simulate.cases import engines, schedulings, workloads

SLOW = profile_of(num_blocks=64, block_size=4, prefill_token=0.01, decode_seq=1.0)
"""A token a second, 256 tokens of KV."""


def in_virtual_time(
    scene: Callable[[VirtualClock, EmbeddedEngine], Awaitable[Any]],
    profile: EngineProfile = SLOW,
    **settings: Any,
) -> Any:
    """What the scene returns, played with a running engine."""

    async def play() -> Any:
        clock = VirtualClock()
        scheduling = Scheduling.model_validate({"max_num_seqs": 1} | settings)
        async with EmbeddedEngine(profile, scheduling, clock=clock, max_num_waiting=999) as engine:
            return await scene(clock, engine)

    return asyncio.run(play())


def serve(
    workload: Workload, profile: EngineProfile, scheduling: Scheduling, with_predictions: bool
) -> list[Generation]:
    """Each request of the workload as its generation, in virtual time."""
    requests = [workload.request(id) for id in range(len(workload))]
    jobs = [
        Job(
            request.prompt_tokens,
            int(workload.output_tokens[request.id]),
            request.max_output_tokens,
            request.urgency,
            request.predicted_output_tokens if with_predictions else None,
            request.predicted_p90_tokens,
        )
        for request in requests
    ]
    instants = [request.arrived_at for request in requests]

    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> list[Generation]:
        there = submit_at(clock, engine, list(zip(instants, jobs, strict=True)))
        await until_idle(clock, engine)
        return there

    found: list[Generation] = in_virtual_time(scene, profile, **scheduling.model_dump())
    return found


def assert_same_instants(
    workload: Workload, profile: EngineProfile, scheduling: Scheduling, with_predictions: bool
) -> None:
    if not with_predictions:  # then nothing but the limit is known
        workload = replace(workload, predicted_output_tokens=workload.max_output_tokens)
    ranks = rank_workload(semantic if with_predictions else pjf, workload)
    outcome = run_reference(workload, ranks, profile, scheduling).outcome
    there = serve(workload, profile, scheduling, with_predictions)
    for generation in there:
        id = generation.request.id
        assert generation.started_at == outcome.started_at[id]
        assert generation.first_token_at == outcome.first_token_at[id]
        assert generation.ended_at == outcome.finished_at[id]
    assert len(there) == len(workload)


@settings(max_examples=60, deadline=None)
@given(engines(), schedulings(), workloads(), st.booleans())
def test_it_does_what_the_simulator_does(
    profile: EngineProfile, scheduling: Scheduling, drawn: Workload, with_predictions: bool
) -> None:
    """Exactly: the same instants, bit by bit, whatever the engine and its settings."""
    longest = profile.kv_tokens // 2  # whoever can never fit is another test's business
    fitting = Workload.known(
        "fitting",
        drawn.arrived_at,
        np.minimum(drawn.prompt_tokens, longest),
        np.minimum(drawn.output_tokens, longest),
        drawn.urgency,
    )
    workload = replace(
        fitting,
        predicted_output_tokens=drawn.predicted_output_tokens,
        predicted_p90_tokens=drawn.predicted_p90_tokens,
    )
    assert_same_instants(workload, profile, scheduling, with_predictions)


@pytest.mark.parametrize("with_predictions", [False, True])
@pytest.mark.parametrize("batching", ["alternate", "chunked"])
def test_it_does_so_on_a_gpu_under_load(batching: str, with_predictions: bool) -> None:
    rng = np.random.default_rng(5)
    workload = Workload.known(
        "busy",
        np.cumsum(rng.exponential(0.15, 150)),
        rng.integers(10, 800, 150, dtype=np.int32),
        rng.integers(1, 300, 150, dtype=np.int32),
        rng.integers(0, 5, 150, dtype=np.int32),
    )
    scheduling = Scheduling.model_validate({"batching": batching, "max_num_seqs": 8})
    assert_same_instants(workload, load_profile("A100_4B"), scheduling, with_predictions)


# --- order -------------------------------------------------------------------------------------


def test_a_smaller_priority_takes_the_seat() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> list[Generation]:
        there = submit_at(clock, engine, [(0.0, Job(4, 10, 10, 3)), (2.5, Job(4, 2, 2, 0))])
        await until_idle(clock, engine)
        assert engine.num_preemptions == 1
        return there

    background, urgent = in_virtual_time(scene)
    assert urgent.started_at < 4 < background.ended_at
    assert urgent.ended_at < background.ended_at


def test_equal_priorities_run_by_arrival_without_predictions_and_by_length_with_them() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> list[int]:
        jobs = [
            (float(i), Job(4, n, n, predicted_output_tokens=p))
            for i, (n, p) in enumerate([(9, None), (8, None), (7, None)])
        ]
        jobs += [
            (50.0 + i, Job(4, n, n, predicted_output_tokens=n)) for i, n in enumerate([9, 8, 3])
        ]
        there = submit_at(clock, engine, jobs)
        await until_idle(clock, engine)
        return [g.request.id for g in sorted(there, key=lambda g: g.ended_at or 0.0)]

    assert in_virtual_time(scene) == [0, 1, 2, 5, 3, 4]


def test_any_integer_is_a_priority() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> list[int]:
        priorities = [0, 2**33 + 500, 2**33 + 20, -7]
        there = submit_at(clock, engine, [(0.0, Job(1, 1, 1, p)) for p in priorities])
        await until_idle(clock, engine)
        return [g.job.priority for g in sorted(there, key=lambda g: g.ended_at or 0.0)]

    assert in_virtual_time(scene) == [-7, 0, 2**33 + 20, 2**33 + 500]


# --- consumers ---------------------------------------------------------------------------------


def test_tokens_come_in_order_and_end() -> None:
    async def scene(_: VirtualClock, engine: EmbeddedEngine) -> None:
        generation = engine.submit(Job(4, 5, 9))
        assert [token async for token in generation] == [0, 1, 2, 3, 4]
        assert generation.outcome == "finished"
        assert await generation.more(5) == 5
        assert await generation.end() == "finished"

    in_virtual_time(scene)


def test_a_slow_consumer_misses_nothing() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> None:
        generation = engine.submit(Job(4, 5, 9))
        await until_idle(clock, engine)
        assert [token async for token in generation] == [0, 1, 2, 3, 4]

    in_virtual_time(scene)


# --- cancellation ------------------------------------------------------------------------------


@pytest.mark.parametrize("batching", ["alternate", "chunked"])
@pytest.mark.parametrize("instant", [0.0, 0.005, 0.5, 2.5])
def test_a_cancelled_request_frees_everything_at_once(instant: float, batching: str) -> None:
    """Waiting or running, in the middle of a prefill or of a decode step."""

    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> None:
        there = submit_at(clock, engine, [(0.0, Job(8, 50, 50)), (0.0, Job(8, 50, 50))])

        def leave() -> None:
            for generation in there:
                generation.cancel()
            assert (engine.num_there, engine.num_running, engine.num_waiting) == (0, 0, 0)
            assert engine.memory.num_free == engine.memory.num_blocks
            assert engine.memory.num_tokens == 0

        clock.at(instant, leave)
        clock.at(60.0, lambda: there.append(engine.submit(Job(8, 3, 3))))
        await until_idle(clock, engine)
        assert [g.outcome for g in there] == ["cancelled", "cancelled", "finished"]
        assert engine.memory.num_tokens == 0

    in_virtual_time(scene, batching=batching, max_num_batched_tokens=4)


def test_who_waits_sits_down_when_a_seat_is_given_up() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> None:
        there = submit_at(clock, engine, [(0.0, Job(4, 50, 50)), (0.0, Job(4, 2, 2))])
        clock.at(3.5, lambda: there[0].cancel())
        await until_idle(clock, engine)
        assert there[0].ended_at == 3.5
        assert there[1].started_at == pytest.approx(4.04)

    in_virtual_time(scene)


def test_cancelling_wakes_the_consumer_and_twice_is_once() -> None:
    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> None:
        generation = engine.submit(Job(4, 50, 50))
        clock.at(2.5, generation.cancel)
        assert len([token async for token in generation]) == 2
        generation.cancel()
        assert engine.stats.ended == {"finished": 0, "cancelled": 1, "failed": 0}

    in_virtual_time(scene)


# --- refusals ----------------------------------------------------------------------------------


def test_what_can_never_fit_is_refused() -> None:
    async def scene(_: VirtualClock, engine: EmbeddedEngine) -> None:
        engine.submit(Job(200, 1, 56)).cancel()
        with pytest.raises(RefusedError, match="can never fit: this engine holds 256") as caught:
            engine.submit(Job(200, 1, 57))
        assert caught.value.code == "context_length_exceeded"
        assert (engine.stats.submitted, engine.stats.refused) == (2, 1)

    in_virtual_time(scene)


def test_the_queue_is_bounded() -> None:
    async def scene(_: VirtualClock, engine: EmbeddedEngine) -> None:
        there = [engine.submit(Job(4, 2, 2)) for _ in range(999)]
        with pytest.raises(RefusedError, match="999 requests wait") as caught:
            engine.submit(Job(4, 2, 2))
        assert caught.value.code == "queue_full"
        there[0].cancel()
        engine.submit(Job(4, 2, 2))

    in_virtual_time(scene)


@pytest.mark.parametrize("job", [Job(0, 1, 1), Job(1, 0, 1), Job(1, 2, 1)])
def test_a_job_without_end_is_an_error(job: Job) -> None:
    async def scene(_: VirtualClock, engine: EmbeddedEngine) -> None:
        with pytest.raises(ValueError, match="output_tokens"):
            engine.submit(job)
        assert engine.stats.submitted == 0

    in_virtual_time(scene)


# --- the end -----------------------------------------------------------------------------------


def test_when_the_engine_stops_the_unfinished_fail_and_no_more_come() -> None:
    async def play() -> None:
        clock = VirtualClock()
        engine = EmbeddedEngine(SLOW, clock=clock)
        with pytest.raises(RefusedError, match="does not run"):
            engine.submit(Job(4, 2, 2))
        async with engine:
            generation = engine.submit(Job(4, 50, 50))
            await generation.more(3)
            late = engine.submit(Job(4, 50, 50))
        assert (generation.outcome, late.outcome) == ("failed", "failed")
        assert engine.num_there == 0
        with pytest.raises(RefusedError) as caught:
            engine.submit(Job(4, 2, 2))
        assert caught.value.code == "shutting_down"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(play())


def test_an_engine_that_dies_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with EmbeddedEngine(SLOW, clock=VirtualClock()) as engine:
            monkeypatch.setattr(engine.batcher, "schedule", lambda _: 1 / 0)
            generation = engine.submit(Job(4, 2, 2))
            assert await generation.end() == "failed"
            assert not engine.is_running

    with pytest.raises(ZeroDivisionError):
        asyncio.run(play())


# --- books -------------------------------------------------------------------------------------


def test_books_that_do_not_balance_are_no_secret() -> None:
    async def scene(_: VirtualClock, engine: EmbeddedEngine) -> None:
        engine.submit(Job(4, 2, 2))
        engine.stats.submitted += 1

    with pytest.raises(RuntimeError, match=r"^2 requests came, but 0 refused, .* make 1$"):
        in_virtual_time(scene)


@settings(max_examples=25, deadline=None)
@given(engines(), schedulings(), st.integers(0, 2**32 - 1))
def test_nobody_is_lost(profile: EngineProfile, scheduling: Scheduling, seed: int) -> None:
    """500 arrivals and departures at random; at each the books balance, at the end all is free."""
    rng = np.random.default_rng(seed)

    async def scene(clock: VirtualClock, engine: EmbeddedEngine) -> None:
        there: list[Generation] = []

        def balance() -> None:
            stats = engine.stats
            ended = sum(stats.ended.values())
            assert stats.submitted == stats.refused + ended + engine.num_there
            held = sum(seq.num_blocks for seq in engine.memory.holders)
            assert held + engine.memory.num_free == engine.memory.num_blocks

        def act() -> None:
            if there and rng.random() < 0.4:
                there[rng.integers(len(there))].cancel()
            else:
                prompt, output, priority = rng.integers(1, 40, 3).tolist()
                job = Job(prompt, output, 40, priority % 5)
                try:
                    there.append(engine.submit(job))
                except RefusedError:
                    assert (
                        engine.memory.blocks_for(job.prompt_tokens + 40) > profile.memory.num_blocks
                    )
            balance()

        for instant in np.sort(rng.uniform(0, 100, 500)):
            clock.at(float(instant), act)
        await until_idle(clock, engine)
        balance()
        assert engine.memory.num_free == engine.memory.num_blocks
        assert engine.memory.num_tokens == 0
        assert all(g.outcome for g in there)
        assert engine.stats.output_tokens == sum(g.emitted for g in there)

    in_virtual_time(scene, profile, **scheduling.model_dump())


# --- time lost -----------------------------------------------------------------------------------


def test_lost_time_is_not_made_up_for() -> None:
    """The machine stood still for ten seconds during the third token."""

    class Halting(VirtualClock):
        async def sleep_until(self, instant: float) -> float:
            return await super().sleep_until(instant + 10 * (2.5 < instant < 3.5))

    async def play() -> list[float]:
        clock, instants = Halting(), []
        async with EmbeddedEngine(SLOW, clock=clock) as engine:
            async for _ in (generation := engine.submit(Job(1, 5, 5))):
                instants.append(generation.last_token_at)
        return instants

    assert asyncio.run(play()) == pytest.approx([1.01, 2.01, 13.01, 14.01, 15.01])


# --- real time ---------------------------------------------------------------------------------


def test_on_the_wall_clock_slack_does_not_add_up() -> None:
    profile = profile_of(num_blocks=64, block_size=16, decode_seq=0.004)

    async def play() -> float:
        clock = WallClock()
        async with EmbeddedEngine(profile, clock=clock) as engine:
            began_at = clock.now()
            await engine.submit(Job(1, 100, 100)).end()
            return clock.now() - began_at

    assert 0.4 <= asyncio.run(play()) < 0.45
