"""Journal and replay: what was done is done again, and a lie is found."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from semsched.core.dispatch import Dispatcher, Limits
from semsched.core.ledger import Capacity
from semsched.policy import semantic
from semsched.request import Request
from semsched.serve.journal import FORMAT, Head, Journal
from semsched.serve.replay import JournalError, replay
from tests.core.test_dispatch import COST, entry

LIMITS = Limits(20, 500)


def a_day(path: Path, num_acts: int = 2000, seed: int = 0) -> None:
    """A random day at the desk, written down."""
    random = Random(seed)  # noqa: S311
    journal = Journal(Dispatcher(COST, LIMITS), Head(FORMAT, "semantic", COST, LIMITS), path)
    dispatcher, there = journal.dispatcher, set[int]()
    for name in "ab":
        journal.do(Dispatcher.open_engine, name, Capacity(3, 400, 1, name == "a"))
    for id in range(num_acts):
        what = random.choice(["offer"] * 4 + ["end"] * 3 + ["retry", "expire", "move", "engine"])
        if what == "offer":
            new = entry(
                id,
                random.randrange(5),
                tenant=random.choice("xyz"),
                output=random.randrange(1, 99),
                num_bytes=random.randrange(1, 60),
                expires_at=id + random.randrange(200),
            )
            request = replace(new.request, deadline=1e6)  # JSON has no infinity
            journal.do(Dispatcher.offer, new._replace(request=request))
        elif what == "expire":
            journal.do(Dispatcher.expire, float(id))
        elif what == "engine":
            journal.do(Dispatcher.close_engine, "b")
            journal.do(Dispatcher.open_engine, "b", Capacity(random.randrange(1, 5)))
            journal.do(Dispatcher.set_limits, LIMITS._replace(max_waiting=random.randrange(9, 30)))
        elif there:
            chosen = random.choice(sorted(there))
            if what == "end":
                journal.do(Dispatcher.end, chosen, random.choice([None, 7]), random.randrange(99))
            elif what == "retry" and chosen in dispatcher.seated:
                journal.do(Dispatcher.retry, chosen)
            elif what == "move":
                urgency = random.randrange(5)
                moved = Request(chosen, 0.0, 1, urgency, 1, 1)
                journal.do(Dispatcher.rerank, chosen, urgency, semantic(moved))
        journal.do(Dispatcher.assign)
        there = set(dispatcher.lanes) | set(dispatcher.seated)
    journal.close()


def test_a_day_comes_out_the_same(tmp_path: Path) -> None:
    a_day(tmp_path / "day.jsonl")
    result = replay(tmp_path / "day.jsonl")
    assert result.differences == []
    assert result.num_acts > 3000
    assert result.num_decisions > 1000


@pytest.mark.parametrize("act", ["assign", "offer", "expire"])
def test_a_lie_is_found(tmp_path: Path, act: str) -> None:
    path = tmp_path / "day.jsonl"
    a_day(path, 500)
    lines = path.read_text().splitlines()
    at = next(
        i for i, line in enumerate(lines) if f'"do":"{act}"' in line and not line.endswith("[]}")
    )
    line = json.loads(lines[at])
    line["got"] = ["queue_full", []] if act == "offer" else []
    lines[at] = json.dumps(line, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")
    [difference] = replay(path).differences
    assert (difference.line, difference.act) == (at + 1, act)
    assert difference.live != difference.replayed


def test_a_journal_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    a_day(path, 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert replay(path).num_acts > 100


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0: not a journal"),
        ("{}\n", "1: not a journal"),
        ("what\n", "1: "),
        ('{"head":{"format":99,"policy":"","cost":[true,0,0,0,0,0,0,0],"limits":[1,1]}}\n', "1: "),
        ("HEAD\n" + '{"do":"burn","with":[]}\n', "2: no act is called 'burn'"),
    ],
)
def test_what_is_no_journal_is_an_error_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    a_day(tmp_path / "day.jsonl", 1)
    head = (tmp_path / "day.jsonl").read_text().splitlines()[0]
    path = tmp_path / "other.jsonl"
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(JournalError, match=rf"^{path}:{why}") as caught:
        replay(path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_ends_the_journal_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    head = Head(FORMAT, "semantic", COST, LIMITS)
    journal = Journal(Dispatcher(COST, LIMITS), head, full)
    for id in range(300):  # more than a buffer
        journal.do(Dispatcher.offer, entry(id))
    journal.flush()
    journal.close()
    assert len(journal.dispatcher) == LIMITS.max_waiting
    assert caplog.text.count("the journal ends here") == 1


def test_an_earlier_day_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    a_day(path, 50)
    before = path.read_bytes()
    a_day(path, 50, seed=1)
    [old] = tmp_path.glob("day-*Z.jsonl")
    assert old.read_bytes() == before
    assert replay(path).differences == []
