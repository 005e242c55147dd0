"""Finished answers teach, beside the traffic; what was learned is kept."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from semsched.predict.length import load
from semsched.serve import learning
from semsched.serve.learning import MAX_MODELS, Lesson, Teacher

TEXT = "list three colours"


def lessons(teacher: Teacher, num: int, model: str = "m") -> None:
    for i in range(num):
        teacher.teach(Lesson(f"{TEXT} {i}", 900, model, truncated=False))


async def learned(teacher: Teacher, num: int) -> None:
    async with asyncio.timeout(10):
        while teacher.num_learned < num:
            await asyncio.sleep(0.001)


def test_answers_move_the_prediction_while_it_runs() -> None:
    async def play() -> tuple[float, float]:
        teacher = Teacher(None)
        before, _ = teacher.lengths.believe(TEXT, 1e9, "m")
        task = asyncio.create_task(teacher.run())
        lessons(teacher, 40)
        await learned(teacher, 40)
        task.cancel()
        return before, teacher.lengths.believe(TEXT, 1e9, "m")[0]

    before, after = asyncio.run(play())
    assert after > before + 100


def test_what_is_left_is_learned_and_saved_at_the_end(tmp_path: Path) -> None:
    teacher = Teacher(tmp_path / "state.npz")
    lessons(teacher, 5)
    teacher.finish()
    assert teacher.num_learned == 5
    assert load(tmp_path / "state.npz").learners["m"].num_answers == 5


def test_it_saves_now_and_then_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_by: list[threading.Thread] = []

    def save(_: object, path: Path) -> None:
        saved_by.append(threading.current_thread())
        path.touch()

    monkeypatch.setattr(learning, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(learning, "save", save)

    async def play() -> None:
        teacher = Teacher(tmp_path / "state.npz")
        task = asyncio.create_task(teacher.run())
        lessons(teacher, 1)
        async with asyncio.timeout(10):
            while not saved_by:
                await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(play())
    assert threading.main_thread() not in saved_by


def test_a_file_that_cannot_be_written_is_told_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = Teacher(tmp_path / "gone" / "state.npz")
    lessons(teacher, 1)
    with caplog.at_level(logging.WARNING):
        teacher.finish()
    assert "cannot save" in caplog.text
    assert TEXT not in caplog.text


def test_an_answer_that_teaches_nothing_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> int:
        teacher = Teacher(None)
        task = asyncio.create_task(teacher.run())
        teacher.teach(Lesson(TEXT, 0, "m", truncated=False))
        lessons(teacher, 1)
        await learned(teacher, 1)
        task.cancel()
        return teacher.num_learned

    assert asyncio.run(play()) == 1
    assert "could not be learned from" in caplog.text


def test_names_of_models_are_the_clients_to_choose_and_so_bounded() -> None:
    teacher = Teacher(None)
    for i in range(MAX_MODELS + 9):
        lessons(teacher, 1, f"model {i}")
        teacher.finish()
    assert len(teacher.lengths.learners) == MAX_MODELS + 1
    assert teacher.lengths.learners[""].num_answers == 9


def test_of_too_many_the_oldest_go() -> None:
    teacher = Teacher(None)
    lessons(teacher, learning.MAX_LESSONS + 10)
    teacher.finish()
    assert teacher.num_learned == learning.MAX_LESSONS
