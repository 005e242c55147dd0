from collections import Counter
from pathlib import Path
from typing import Literal

import pytest

from semsched.predict.urgency import seeds
from semsched.predict.urgency.seeds import Seed, read_seeds
from semsched.request import NUM_CLASSES

Part = Literal["train", "heldout"]
PARTS: tuple[Part, Part] = ("train", "heldout")


# --- the format --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that seeds to train on are read from."""
    monkeypatch.setattr(seeds, "files", lambda _package: tmp_path)
    folder = tmp_path / "seeds" / "train"
    folder.mkdir(parents=True)
    return folder


def test_prompts_share_the_heading_above_them(folder: Path) -> None:
    content = "# a comment\n\n[2 kidney stone]\n  flank pain \nit hurts\n# [0 no]\n[4 tea]\ntea\n"
    (folder / "a.txt").write_text(content, "utf-8")
    assert read_seeds("train") == [
        Seed("flank pain", 2, "kidney stone", "a"),
        Seed("it hurts", 2, "kidney stone", "a"),
        Seed("tea", 4, "tea", "a"),
    ]


def test_line_breaks_are_written_out(folder: Path) -> None:
    (folder / "a.txt").write_text("[0 \u706b\u4e8b]\none\\ntwo \u706b\u4e8b\n", "utf-8")
    assert read_seeds("train") == [Seed("one\ntwo \u706b\u4e8b", 0, "\u706b\u4e8b", "a")]


@pytest.mark.parametrize("line", ["[5 x]", "[-1 x]", "[2]", "[2x]", "[2 x", "2 x]", "[\u00b2 x]"])
def test_other_lines_in_brackets_are_prompts(line: str, folder: Path) -> None:
    (folder / "a.txt").write_text(f"[1 why]\n{line}\n", "utf-8")
    assert read_seeds("train") == [Seed(line, 1, "why", "a")]


def test_a_prompt_without_a_heading_is_refused(folder: Path) -> None:
    (folder / "good.txt").write_text("[1 why]\ntea\n", "utf-8")
    (folder / "tea.txt").write_text("# tea\n\nmore tea\n[1 why]\n", "utf-8")
    with pytest.raises(ValueError, match=r"tea\.txt: a prompt before the first heading: more tea"):
        read_seeds("train")


def test_text_files_are_read_in_the_order_of_their_names(folder: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (folder / name).write_text("[1 why]\n" + name, "utf-8")
    assert [(seed.text, seed.file) for seed in read_seeds("train")] == [
        ("a.txt", "a"),
        ("b.txt", "b"),
    ]


@pytest.mark.parametrize(
    ("file", "task", "hard"),
    [
        ("hard_negatives", True, True),
        ("ordinary", True, False),
        ("ordinary_more", True, False),
        ("lay_adult", False, False),
        ("work", False, False),
    ],
)
def test_the_file_says_whether_a_prompt_is_a_task(file: str, task: bool, hard: bool) -> None:
    seed = Seed("x", 3, "why", file)
    assert (seed.is_task, seed.is_hard) == (task, hard)


# --- the seeds that come along -----------------------------------------------------------------


def key(seed: Seed) -> str:
    """The text without regard to case and space."""
    return " ".join(seed.text.casefold().split())


@pytest.mark.parametrize("part", PARTS)
def test_each_seed_has_a_class_a_reason_and_a_text(part: Part) -> None:
    for seed in read_seeds(part):
        assert 0 <= seed.urgency < NUM_CLASSES, seed
        assert seed.why.strip(), seed
        assert any(character.isprintable() and character != " " for character in seed.text), seed
        assert not seed.text.startswith(("[", "#")), seed  # a heading that is none
        assert "\\n" not in seed.text, seed


@pytest.mark.parametrize("part", PARTS)
def test_there_are_seeds_of_each_class_and_hard_ones(part: Part) -> None:
    found = read_seeds(part)
    assert len(found) >= {"train": 2_000, "heldout": 1_000}[part]
    counts = Counter(seed.urgency for seed in found)
    assert all(counts[urgency] >= 100 for urgency in range(NUM_CLASSES))
    assert sum(seed.is_hard for seed in found) >= 100
    assert {seed.urgency for seed in found if seed.is_hard} <= {3, 4}


def twice(found: list[Seed]) -> list[str]:
    """Where a text stands that stands elsewhere before."""
    first: dict[str, Seed] = {}
    return [
        f"{seed.file}: {seed.text} ({first[key(seed)].file})"
        for seed in found
        if first.setdefault(key(seed), seed) is not seed
    ]


@pytest.mark.parametrize("part", PARTS)
def test_no_seed_stands_twice(part: Part) -> None:
    assert twice(read_seeds(part)) == []


def test_no_seed_that_is_kept_apart_is_trained_on() -> None:
    kept_apart = {key(seed) for seed in read_seeds("heldout")}
    assert [
        f"{seed.file}: {seed.text}" for seed in read_seeds("train") if key(seed) in kept_apart
    ] == []


def test_the_check_for_doubles_finds_them() -> None:
    found = [Seed(text, 1, "why", "a") for text in ("Chest  pain", "tea", "chest pain\n")]
    assert twice(found) == ["a: chest pain\n (a)"]
