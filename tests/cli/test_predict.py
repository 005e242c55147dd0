import asyncio
import io
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from aiohttp import web

from semsched.cli import main
from semsched.predict import urgency
from semsched.request import CLASS_NAMES

EMERGENCY = "My husband collapsed and is not breathing"
WORK = "write a story about a heart attack"
RULES = '[[rule]]\nname = "[red]ward[/red]"\nurgency = 1\npattern = "haiku"\n'


def fails(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with exit code 2, one line that says why, and nothing else."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert line.startswith("semsched: error: ")
    assert re.search(says, line), line


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that succeeds without a warning prints."""
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def write(folder: Path, *rows: Any, name: str = "in.jsonl") -> Path:
    path = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), "utf-8")
    return path


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def given_on_stdin(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


# --- one text


def test_a_text_gets_a_class_a_reason_chances_and_a_length(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, *chances, last = shown(["predict", EMERGENCY], capsys).splitlines()
    assert re.fullmatch(r"class 0 \(critical\): \w.*", first)
    assert [line.split()[:2] for line in chances] == [
        [str(i), n] for i, n in enumerate(CLASS_NAMES)
    ]
    assert sum(float(line.split()[2]) for line in chances) == pytest.approx(1, abs=0.03)
    assert re.fullmatch(r"answer: about \d+ tokens, 9 of 10 within \d+ \(\d+\.\d\d ms .*\)", last)


def test_explain_shows_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    output = shown(["predict", EMERGENCY, "--explain"], capsys)
    assert "evidence for class 0" in output
    rows = [[cell.strip() for cell in line.split("\u2502")] for line in output.splitlines()]
    words = [(row[2], row[3]) for row in rows if len(row) == 6]
    assert any(word for word, _ in words)
    for word, place in words:
        start, _, end = place.partition("..")
        assert word == (EMERGENCY[int(start) : int(end)] if place else "")


@pytest.mark.parametrize("text", ["", " ", "[bold]x[/bold]", "[/]", "\x1b[31m", "\u706b :fire:"])
def test_any_text_is_answered(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = shown(["predict", "--explain", "--", text], capsys)
    assert output.startswith("class ")
    assert "\x1b" not in output


def test_a_dash_is_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given_on_stdin(EMERGENCY.encode(), monkeypatch)
    assert shown(["predict", "-"], capsys).startswith("class 0")


def test_standard_input_may_hold_any_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given_on_stdin(b"\xff\xfe " + EMERGENCY.encode() + b" \xf0\x9f", monkeypatch)
    assert shown(["predict", "-"], capsys).startswith("class 0")


def test_no_standard_input_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    fails(["predict", "-"], "standard input is closed", capsys)


@pytest.mark.usefixtures("folder")
def test_an_answer_is_not_longer_than_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    free, held = (
        shown(["predict", "Write a long essay about tides", *limit], capsys)
        for limit in ((), ("--max-tokens", "20"))
    )
    assert "9 of 10 within 20 " in held
    assert "9 of 10 within 20 " not in free


def test_rules_come_first_and_their_names_are_not_markup(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rules.toml").write_text(RULES, "utf-8")
    arguments = ["--rules", "rules.toml"]
    ruled = shown(["predict", "a Haiku about tides", *arguments], capsys)
    first, last = ruled.splitlines()  # no probabilities between: no model was asked
    assert first == "class 1 (urgent): rule '[red]ward[/red]'"
    assert last.startswith("answer: about ")
    assert "rule" not in shown(["predict", "a sonnet about tides", *arguments], capsys)


def test_costs_decide(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    careful = [[0 if i == j else 1e9 if i == 0 else 1 for j in range(5)] for i in range(5)]
    (folder / "costs.json").write_text(json.dumps(careful), "utf-8")
    assert shown(["predict", "hello", "--costs", "costs.json"], capsys).startswith("class 0")
    assert not shown(["predict", "hello"], capsys).startswith("class 0")


def test_the_model_of_the_user_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = urgency.shipped().linear
    bias = shipped.bias.copy()
    bias[1] += 99
    always_urgent = urgency.LinearModel(shipped.index, shipped.weights, bias)
    content = urgency.to_bytes(urgency.UrgencyModelFile(always_urgent))
    (folder / "mine.npz").write_bytes(content)
    assert shown(["predict", "hello", "--urgency-model", "mine.npz"], capsys).startswith("class 1")
    fails(
        ["predict", "hello", "--urgency-model", "mine.npz", "--embed"],
        "has no head for embeddings",
        capsys,
    )


BAD = {
    "neither": ([], "either a text or --file"),
    "both": (["x", "--file", "in.jsonl"], "either a text or --file"),
    "out without file": (["x", "--out", "out.jsonl"], "--out has no effect without --file"),
    "no tokens": (["x", "--max-tokens", "0"], "--max-tokens"),
    "missing file": (["--file", "nowhere.jsonl"], r"nowhere\.jsonl: cannot be read"),
    "a folder": (["--file", "."], "cannot be read"),
    "not UTF-8": (["--file", "latin.jsonl"], r"latin\.jsonl: cannot be read"),
    "missing rules": (["x", "--rules", "nowhere.toml"], r"nowhere\.toml: cannot be read"),
    "bad rules": (["x", "--rules", "bad.toml"], r"bad\.toml: rule 1: name: Field required"),
    "missing costs": (["x", "--costs", "nowhere.json"], r"nowhere\.json: "),
    "bad costs": (["x", "--costs", "in.jsonl"], r"in\.jsonl: costs: must be 5 lists"),
    "missing model": (["x", "--urgency-model", "nowhere.npz"], r"nowhere\.npz: .*No such file"),
    "foreign model": (["x", "--urgency-model", "in.jsonl"], r"in\.jsonl: not an urgency model"),
    "no folder": (["--file", "in.jsonl", "--out", "nowhere/out.jsonl"], "no such folder"),
    "judge without a model": (
        ["x", "--judge", "http://127.0.0.1:9"],
        "--judge needs --judge-model",
    ),
    "model without a judge": (["x", "--judge-model", "m"], "no effect without --judge"),
    "key without a judge": (["x", "--judge-key-env", "KEY"], "no effect without --judge"),
    "empty model name": (
        ["x", "--judge", "http://127.0.0.1:9", "--judge-model", ""],
        "--judge-model: .*at least 1 character",
    ),
    "key that is not there": (
        ["x", "--judge", "http://127.0.0.1:9", "--judge-model", "m", "--judge-key-env", "NO_KEY"],
        "environment variable NO_KEY holds no API key",
    ),
}


@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_used_is_said_in_one_line(
    arguments: list[str],
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    write(folder, {"text": "x"})
    (folder / "latin.jsonl").write_bytes(b'{"text": "\xe9"}')
    (folder / "bad.toml").write_text("[[rule]]\nurgency = 1\n", "utf-8")
    before = set(folder.iterdir())
    fails(["predict", *arguments], says, capsys)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    "url",
    ["nowhere", "", "ftp://host/v1", "http://", "http://me:hunter2@host/v1", "http://h?k=hunter2"],
)
def test_a_bad_url_of_a_judge_is_said_without_what_it_holds(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "x", "--judge", url, "--judge-model", "m"]) == 2
    output = capsys.readouterr()
    [line] = output.err.splitlines()
    assert line.startswith("semsched: error: --judge: ")
    assert "hunter2" not in line
    assert output.out == ""


# --- a file of them

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You are a fire brigade. People are burning!"},
        {"role": "user", "content": "look"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
            "content": None,
        },
        {"role": "tool", "tool_call_id": "1", "content": "bleeding to death"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": WORK},
            ],
        },
    ],
}


def test_every_row_is_answered_in_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        folder,
        {"text": EMERGENCY, "id": "a"},
        "",
        {"id": {"any": [1, None]}, **CHAT},
        {"prompt": EMERGENCY, "id": 0},
        {"input": [{"role": "user", "content": EMERGENCY}], "id": "\ud800\u706b"},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"text": "", "messages": EMERGENCY, "id": None},
    )
    rows = rows_of(shown(["predict", "--file", "in.jsonl"], capsys))
    assert [row.get("id", "none") for row in rows] == [
        *("a", {"any": [1, None]}, 0, "\ud800\u706b", "none", None)
    ]
    assert [row["urgency"] for row in rows[:4]] in ([0, 3, 0, 0], [0, 4, 0, 0])
    assert rows[4]["urgency"] == rows[5]["urgency"] >= 2
    for row in rows:
        assert row["class"] == CLASS_NAMES[row["urgency"]]
        assert len(row["reason"].splitlines()) == 1
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-3)
        assert 1 <= row["output_tokens_p50"] <= row["output_tokens_p90"]
        assert row["milliseconds"] > 0
        assert "evidence" not in row


def test_rows_say_what_single_texts_get(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"text": EMERGENCY})
    [row] = rows_of(shown(["predict", "--file", "in.jsonl", "--max-tokens", "7"], capsys))
    expected = urgency.UrgencyClassifier().classify(EMERGENCY)
    assert (row["urgency"], row["reason"]) == (expected.urgency, expected.reason)
    assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
    assert row["output_tokens_p90"] == 7


def test_explained_rows_hold_the_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"text": EMERGENCY})
    [row] = rows_of(shown(["predict", "--file", "in.jsonl", "--explain"], capsys))
    assert row["evidence"]
    for item in row["evidence"]:
        assert item.keys() == {"start", "end", "words", "name", "weight"}
        assert item["words"] == EMERGENCY[item["start"] : item["end"]]


def test_rows_go_into_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"text": "\u706b\u4e8b", "id": 1}, {"text": WORK, "id": 2})
    assert shown(["predict", "--file", "in.jsonl", "--out", "out.jsonl"], capsys) == ""
    rows = rows_of((folder / "out.jsonl").read_text("ascii"))
    assert [row["id"] for row in rows] == [1, 2]
    assert {file.name for file in folder.iterdir()} == {"in.jsonl", "out.jsonl"}


@pytest.mark.parametrize("read", ["--file", "--rules", "--urgency-model", "--costs"])
def test_no_file_that_is_read_is_written(
    read: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"text": WORK})
    write(folder, "kept", name="read")
    given = {"--file": "in.jsonl"} | {read: "read"}
    arguments = [part for pair in given.items() for part in pair]
    fails(["predict", *arguments, "--out", "./read"], "read: is read, too", capsys)
    assert (folder / "read").read_text() == "kept"


def test_the_limit_of_a_body_is_heard(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"prompt": "Write a long essay about tides"}
    write(
        folder,
        asked | {"max_tokens": 20},
        {"input": asked["prompt"], "max_tokens": 12, "max_output_tokens": 10},
        asked | {"max_tokens": 10**9, "max_completion_tokens": 10**400},
        asked | {"max_tokens": "20", "max_output_tokens": True},
        asked | {"text": "Write a long essay about tides", "max_tokens": 10},
    )
    rows = rows_of(shown(["predict", "--file", "in.jsonl"], capsys))
    longest = [row["output_tokens_p90"] for row in rows]
    assert longest[:2] == [20, 10]
    assert longest[2] == longest[3] > 30
    assert longest[4] == 10
    rows = rows_of(shown(["predict", "--file", "in.jsonl", "--max-tokens", "15"], capsys))
    assert [row["output_tokens_p90"] for row in rows] == [15, 10, 15, 15, 10]


def test_rules_are_held_against_what_comes_with_a_body(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rules.toml").write_text(
        '[[rule]]\nname = "alarms"\nurgency = 0\nmetadata = { kind = "alarm" }\n'
        '[[rule]]\nname = "mail"\nurgency = 4\ntenant = "marketing"\n'
        'header = { x-source = "batch-*" }\n',
        "utf-8",
    )
    write(
        folder,
        {**CHAT, "metadata": {"kind": "alarm", "bed": [12]}},
        {"text": EMERGENCY, "tenant": "marketing", "headers": {"X-Source": "batch-7", "n": 1}},
        {"text": EMERGENCY, "tenant": "marketing"},
        {"text": WORK, "metadata": "alarm", "tenant": 3, "headers": ["x-source"]},
    )
    rows = rows_of(shown(["predict", "--file", "in.jsonl", "--rules", "rules.toml"], capsys))
    assert [row["reason"] for row in rows[:2]] == ["rule 'alarms'", "rule 'mail'"]
    assert [row["urgency"] for row in rows[:3]] == [0, 4, 0]
    assert not any("rule" in row["reason"] for row in rows[2:])
    assert [row["probabilities"] is None for row in rows] == [True, True, False, False]


def test_a_byte_order_mark_is_no_part_of_the_first_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "\ufeff" + json.dumps({"text": WORK, "id": 1}), {"text": WORK, "id": 2})
    rows = rows_of(shown(["predict", "--file", "in.jsonl"], capsys))
    assert [row["id"] for row in rows] == [1, 2]


GOOD = '{"text": "x", "id": 1}'
BAD_LINES = {
    "no JSON": ("nonsense", "not JSON"),
    "no object": ("[1]", "must be an object"),
    "too deep": ('{"id": ' + "[" * 100_000, "not JSON"),
    "no text": ('{"id": 3}', "must have text .* or one of messages, input, prompt"),
    "text of another kind": ('{"text": 3}', "must have text"),
    "id that JSON has not": ('{"text": "x", "id": NaN}', "id: cannot be written as JSON"),
}


@pytest.mark.parametrize(("line", "says"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_named_and_nothing_is_half_written(
    line: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, GOOD, "", line, GOOD)
    (folder / "out.jsonl").write_text("old", "utf-8")
    arguments = ["predict", "--file", "in.jsonl", "--out", "out.jsonl"]
    fails(arguments, rf"in\.jsonl:3: {says}", capsys)
    assert (folder / "out.jsonl").read_text() == "old"
    assert {file.name for file in folder.iterdir()} == {"in.jsonl", "out.jsonl"}


def test_an_empty_file_is_no_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder)
    assert shown(["predict", "--file", "in.jsonl"], capsys) == ""


# --- a second opinion


class JudgeServer:
    """Says 4 to whatever it is asked, on a port of its own, in a thread of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""
        self._ready = Event()

    def serve(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        self._ready.set()
        await self._done.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(json.loads(body["messages"][-1]["content"])["text"])
        return web.json_response({"choices": [{"message": {"content": '{"urgency": 4}'}}]})

    def wait(self) -> None:
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)


@pytest.fixture
def judge() -> Iterator[JudgeServer]:
    server = JudgeServer()
    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(server.serve)
        server.wait()
        yield server
        server.stop()
        served.result(10)


def test_a_judge_is_asked_once_and_heard(
    judge: JudgeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    output = shown(["predict", EMERGENCY, "--judge", judge.url, "--judge-model", "m"], capsys)
    [first] = re.findall("^class .*", output)
    assert first.startswith("class 1 (urgent): ")
    assert "the judge says 4, lowered by one class only, from 0" in " ".join(output.split())
    assert judge.asked == [EMERGENCY]


def test_a_judge_is_asked_about_each_row_but_not_where_a_rule_decides(
    judge: JudgeServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rules.toml").write_text(RULES, "utf-8")
    write(folder, {"text": EMERGENCY}, {"text": "a haiku"}, {"text": EMERGENCY}, {"text": WORK})
    arguments = ["--judge", judge.url, "--judge-model", "m", "--rules", "rules.toml"]
    rows = rows_of(shown(["predict", "--file", "in.jsonl", *arguments], capsys))
    assert [row["urgency"] for row in rows] == [1, 1, 1, 4]
    assert "judge" not in rows[1]["reason"]
    assert judge.asked == [EMERGENCY, WORK]


def test_without_an_answer_of_the_judge_the_default_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--judge", "http://127.0.0.1:9/v1", "--judge-model", "m"]
    assert main(["predict", EMERGENCY, *arguments]) == 0
    output = capsys.readouterr().out
    assert output.startswith("class 0 ")
    assert "the judge gave no answer" in " ".join(output.split())


def test_a_judge_without_its_packages_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "semsched.predict.urgency.judge", raising=False)
    monkeypatch.delattr(urgency, "judge", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    arguments = ["predict", "x", "--judge", "http://127.0.0.1:9", "--judge-model", "m"]
    fails(arguments, r"pip install 'semsched\[judge\]'", capsys)


@pytest.mark.parametrize("fault", ["ImportError", "OSError"])
def test_a_judge_whose_packages_do_not_load_is_said(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "semsched.predict.urgency.judge", raising=False)
    monkeypatch.delattr(urgency, "judge", raising=False)
    monkeypatch.delitem(sys.modules, "aiohttp")
    (folder / "aiohttp.py").write_text(f"raise {fault}('libssl.so: not found\\nat all')", "utf-8")
    monkeypatch.syspath_prepend(folder)
    arguments = ["predict", "x", "--judge", "http://127.0.0.1:9", "--judge-model", "m"]
    fails(arguments, r"aiohttp: is installed but does not load: libssl\.so: not found$", capsys)


def test_what_is_loaded_at_first_use_is_no_part_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    classify = urgency.UrgencyClassifier.classify

    def listening(self: urgency.UrgencyClassifier, text: str, **settings: Any) -> urgency.Verdict:
        heard.append(text)
        return classify(self, text, **settings)

    monkeypatch.setattr(urgency.UrgencyClassifier, "classify", listening)
    assert main(["predict", WORK]) == 0
    assert heard == ["", WORK]
