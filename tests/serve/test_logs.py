"""Logs: one line of JSON for each record, whatever is in it, and nobody's secret."""

import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.errors import InputError
from semsched.serve.logs import MASK, MAX_TEXT, JsonLines, configure, log_request
from tests.serve.visits import SECRET_TEXT, failed, finished, refused

KEY = "sk-semsched-Zm9vYmFyYmF6cXV4"
BACKEND_KEY = "gsk.4Qm/7+x=9"

log = logging.getLogger("semsched.test")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("semsched")
    handlers, levels = root.handlers, (root.level, ours.level)
    yield
    configure("info", prompt_text=False)
    logging.captureWarnings(False)
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


Capture = pytest.CaptureFixture[str]


def lines(capture: Capture) -> list[dict[str, Any]]:
    text = capture.readouterr().err
    assert text.isascii()
    assert text.isprintable() or set(text) - {"\n"} <= set(map(chr, range(32, 127)))
    return [json.loads(line) for line in text.splitlines()]


def line(capture: Capture) -> dict[str, Any]:
    (found,) = lines(capture)
    return found


# --- what a line holds ---------------------------------------------------------------------------


def test_a_record_is_a_line_of_json_with_utc(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log.warning("%s is down for %d s", "gpu-0", 3, extra={"backend": "gpu-0", "share": 0.5})
    told = line(capsys)
    at = datetime.fromisoformat(told.pop("time"))
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert told == {
        "level": "warning",
        "logger": "semsched.test",
        "message": "gpu-0 is down for 3 s",
        "backend": "gpu-0",
        "share": 0.5,
    }


def test_a_finished_request_is_told_by_its_numbers(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log_request(finished(1))
    told = line(capsys)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info",
        "logger": "semsched.requests",
        "message": "request",
        "request_id": "req-7",
        "class": "urgent",
        "source": "model",
        "tenant": "clinic",
        "model": "qwen",
        "outcome": "finished",
        "code": "",
        "backend": "gpu-0",
        "num_attempts": 1,
        "queue_time": 0.5,
        "ttft": 0.8,
        "e2e": 1.8,
        "prompt_tokens": 20,
        "predicted_output_tokens": 50,
        "output_tokens": 21,
    }


def test_who_was_refused_or_failed_is_told_with_the_code(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log_request(refused())
    log_request(failed())
    away, broken = lines(capsys)
    assert (away["outcome"], away["code"], away["backend"]) == ("refused", "queue_full", "")
    assert (away["queue_time"], away["ttft"], away["e2e"]) == (0.02, None, 0.02)
    assert (broken["outcome"], broken["code"]) == ("failed", "backend_timeout")
    assert (broken["backend"], broken["num_attempts"]) == ("gpu-1", 2)


def test_levels_are_kept_and_other_packages_speak_from_warnings_on(capsys: Capture) -> None:
    configure("debug", prompt_text=False)
    log.debug("ours")
    logging.getLogger("aiohttp.client").info("theirs")
    logging.getLogger("aiohttp.client").warning("loud")
    configure("error", prompt_text=False)
    log.warning("ours, later")
    log_request(finished())
    logging.getLogger("aiohttp.client").warning("loud, later")
    assert [told["message"] for told in lines(capsys)] == ["ours", "loud"]


def test_configured_twice_it_still_speaks_once(capsys: Capture) -> None:
    configure("info", prompt_text=True)
    configure("info", prompt_text=False)
    log.info("once")
    assert line(capsys)["message"] == "once"


def test_warnings_of_python_are_lines_as_well(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    told = line(capsys)
    assert told["logger"] == "py.warnings"
    assert told["message"].endswith("DeprecationWarning: old")


# --- exceptions ----------------------------------------------------------------------------------


def test_an_exception_is_one_line_and_the_places_it_came_through(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    try:
        raise InputError("no such\nprofile")
    except InputError:
        log.exception("cannot start")
    told = line(capsys)
    assert told["error"] == "InputError: no such profile"
    (place,) = told["trace"]
    assert place.startswith(f"{__file__}:")
    assert place.endswith(" test_an_exception_is_one_line_and_the_places_it_came_through")


def test_a_cause_is_told_too(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise InputError("backend gpu-0 is down") from error
    except InputError:
        log.exception("probe")
    told = line(capsys)
    assert told["error"] == "InputError: backend gpu-0 is down"
    assert "caused by ConnectionRefusedError: Connection refused" in told["trace"]


def test_causes_that_go_round_in_a_circle_come_to_an_end(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    group = ExceptionGroup("all of them", [first])
    log.error("oh", exc_info=group)
    told = line(capsys)
    assert told["error"] == "ExceptionGroup"
    assert told["trace"] == ["caused by ValueError", "caused by KeyError"]


def test_a_message_with_wrong_arguments_is_still_told(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log.info("%d requests", KEY)
    told = line(capsys)
    assert told["message"] == "%d requests (TypeError in its arguments)"


def test_a_stream_that_is_closed_hurts_nobody(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Broken())
        configure("info", prompt_text=False)
    log.info("with %s", KEY)
    assert capsys.readouterr().err == ""


# --- injection -----------------------------------------------------------------------------------

NASTY = [
    'one\n{"level":"error","message":"forged"}',
    "one\r\nforged",
    "\x1b[2J\x1b[31mred",
    "\x00\x07\x08\x7f",
    "\x85\x9b31m\u2028\u2029",
    "\ud800 half a character \udfff",
    '", "level": "error',
    "\u202e reversed",
    "🚑" * 3,
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("where", ["message", "argument", "field", "name", "tenant", "error"])
def test_no_text_makes_a_second_line_or_moves_a_cursor(
    capsys: Capture, where: str, text: str
) -> None:
    configure("info", prompt_text=True)
    match where:
        case "message":
            log.info(text)
        case "argument":
            log.info("said %s", text)
        case "field":
            log.info("said", extra={"text": text, "list": [text, {text: text}]})
        case "name":
            log.info("said", extra={text: 1})
        case "tenant":
            log_request(finished(tenant=text, model=text, request_id=text))
        case "error":
            log.error("said", exc_info=InputError(text))
    told = line(capsys)
    assert told["level"] == ("error" if where == "error" else "info")
    json.dumps(told, ensure_ascii=False).encode()  # no half characters


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(message=st.text(), name=st.text(min_size=1, max_size=10), value=JSON_LIKE)
def test_whatever_is_logged_is_one_line_of_strict_json(
    message: str, name: str, value: object
) -> None:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "semsched"})
    if name not in record.__dict__:
        record.__dict__[name] = value
    text = JsonLines(prompt_text=True).format(record)
    assert text.isascii()
    assert text.isprintable()
    told = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert told["level"] == "info"


def test_no_field_takes_the_place_of_a_standard_one(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log.info("real", extra={"level": "error", "time": "1970", "logger": "root"})
    told = line(capsys)
    assert (told["level"], told["logger"], told["message"]) == ("info", "semsched.test", "real")
    assert told["time"] > "2020"


def test_what_is_long_or_deep_or_odd_is_cut(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    deep: list[object] = []
    for _ in range(50):
        deep = [deep]
    odd = {"int": 10**5000, "nan": float("nan"), "object": object(), "bytes": b"abc"}
    log.info("x" * 10**6, extra={"long": "y" * 10**6, "deep": deep} | odd)
    told = line(capsys)
    assert len(told["message"]) == len(told["long"]) == MAX_TEXT
    assert told["deep"] == [[[["<list>"]]]]
    assert (told["int"], told["nan"]) == ("<int>", "nan")
    assert (told["object"], told["bytes"]) == ("<object>", "<bytes>")


# --- secrets -------------------------------------------------------------------------------------

SAID = [
    f"Authorization: Bearer {KEY}",
    f"authorization: basic {KEY}",
    f"Bearer {KEY}",
    f"BEARER   {KEY}",
    f"bearer%20{KEY}",
    f"x-api-key: {KEY}",
    f"https://host/v1?api_key={KEY}",
    f"https://host/v1?apikey={KEY}&x=1",
    f"OPENAI_API_KEY={KEY}",
    repr([(b"authorization", f"Bearer {KEY}".encode())]),
    repr([(b"x-api-key", KEY.encode())]),
    repr({"Authorization": f"Bearer {KEY}", "Accept": "*/*"}),
    json.dumps({"api_key": KEY}),
    json.dumps({"body": json.dumps({"api_key": KEY})}),
    f"cookie: session={KEY}",
    f"Set-Cookie: session={KEY}; HttpOnly",
    f"Proxy-Authorization: Basic {KEY}",
    f"password = {KEY}",
]
"""With a word that says that a key follows."""
BARE = [
    f"got {KEY}, which is unknown",
    f"('{KEY}')",
    f"http://host/?k=%20{KEY}",
    f"http://user:{KEY}@proxy:3128/",
]
"""Without; ours and OpenAI's are known by their prefix."""


@pytest.mark.parametrize(
    ("said", "key"),
    [
        *((said, KEY) for said in (*SAID, *BARE)),
        *((said.replace(KEY, BACKEND_KEY), BACKEND_KEY) for said in SAID),
    ],
)
def test_no_key_is_told_wherever_it_stands(capsys: Capture, said: str, key: str) -> None:
    configure("debug", prompt_text=True)
    log.info("said: %s", said)
    log.info(said)
    log.info("said", extra={"said": said, "list": [said, {"deep": said, said: 1}]})
    log.error("said", exc_info=InputError(said))
    logging.getLogger("uvicorn.error").error(said)
    log_request(finished(model=said, request_id=said, backend=said, text=said))
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 6
    assert key not in text
    assert MASK in text


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "x-api-key", "api_key", "cookie", "Set-Cookie"]
)
def test_a_field_that_is_called_a_secret_is_one(capsys: Capture, name: str) -> None:
    configure("info", prompt_text=True)
    log.info("said", extra={name: "abc", "headers": {name: "abc"}, "more": [{name: ["abc"]}]})
    told = line(capsys)
    assert told[name] == told["headers"][name] == told["more"][0][name] == MASK


def test_what_is_beside_a_secret_is_still_told(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log.info('backend gpu-0 got {"api_key": "abc", "model": "qwen"} via http://me:pw@proxy:80/x')
    message = line(capsys)["message"]
    assert message.startswith(f'backend gpu-0 got {{"api_key": "{MASK}", "model": "qwen"}}')
    assert message.endswith(f"http://{MASK}@proxy:80/x")


@pytest.mark.parametrize(
    "said",
    ["task-1 at risk-averse-hosts", "the API answers", "a basic check", "10 output tokens: fine"],
)
def test_what_only_looks_like_a_secret_is_told(capsys: Capture, said: str) -> None:
    configure("info", prompt_text=False)
    log.info(said)
    assert line(capsys)["message"] == said


def test_what_people_wrote_is_told_only_if_it_may_be(capsys: Capture) -> None:
    configure("info", prompt_text=False)
    log_request(finished())
    texts = {"messages": [SECRET_TEXT], "prompt": SECRET_TEXT, "deep": {"content": SECRET_TEXT}}
    log.info("got", extra=texts)
    text = capsys.readouterr().err
    assert "chest" not in text
    assert len(text.splitlines()) == 2
    configure("info", prompt_text=True)
    log_request(finished())
    told = line(capsys)
    assert told["text"] == SECRET_TEXT
    assert told["reason"] == f"says {SECRET_TEXT!r}"


def test_nobody_else_who_listens_gets_the_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_request(finished())
    (record,) = caplog.records
    assert SECRET_TEXT not in repr(record.__dict__)


def test_an_exception_of_others_may_quote_a_prompt_so_its_message_is_left_out(
    capsys: Capture,
) -> None:
    configure("info", prompt_text=False)
    try:
        try:
            int(SECRET_TEXT)
        except ValueError as error:
            raise RuntimeError(SECRET_TEXT) from error
    except RuntimeError:
        log.exception("policy failed")
    text = capsys.readouterr().err
    assert "chest" not in text
    told = json.loads(text)
    assert told["error"] == "RuntimeError"
    assert "caused by ValueError" in told["trace"]


def test_a_task_that_dies_unheard_does_not_quote_its_prompt(capsys: Capture) -> None:
    configure("info", prompt_text=False)

    async def fails() -> None:
        raise ValueError(SECRET_TEXT)

    async def scene() -> None:
        task = asyncio.create_task(fails())
        await asyncio.wait([task])
        del task

    asyncio.run(scene())
    told = line(capsys)
    assert told["message"] == "Task exception was never retrieved"
    assert told["error"] == "ValueError"
    assert "chest" not in json.dumps(told)


def test_what_a_library_adds_to_all_records_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    make = logging.getLogRecordFactory()

    def marked(*args: Any, **more: Any) -> logging.LogRecord:
        record = make(*args, **more)
        record._library = 1
        return record

    logging.setLogRecordFactory(marked)
    try:
        configure("info", prompt_text=False)
        logging.getLogger("semsched.test").info("hello")
    finally:
        logging.setLogRecordFactory(make)
    assert "_library" not in capsys.readouterr().err
