"""`semsched predict`: what is believed of a text, for people and for programs."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import Failure, needing
from semsched.predict import length, urgency
from semsched.predict.chat import FIELDS, limit_of, text_of
from semsched.predict.examples import ExampleFileError, read_objects
from semsched.predict.packages import check_loads
from semsched.report.files import check_output, replacing
from semsched.request import CLASS_NAMES

MOST_URGENT = 0
"""The ceiling on the command line: there is no key that could have a lower one."""

BAR = 24
"""Columns of a probability of 1."""


@dataclass(frozen=True)
class UrgencyOptions:
    """How urgency is told, for every command that does."""

    model: Path | None = None
    costs: Path | None = None
    embed: bool = False

    def classifier(self) -> urgency.UrgencyClassifier:
        """Raises InputError for a file that cannot be used or packages that are missing."""
        model = urgency.load_model(self.model) if self.model else urgency.shipped()
        costs = urgency.read_costs(self.costs) if self.costs else urgency.COSTS
        second = urgency.SecondLook.with_minilm(model.head) if self.embed else None
        return urgency.UrgencyClassifier(model.linear, second, costs)


@dataclass(frozen=True)
class JudgeOptions:
    """Whom to ask for a second opinion, if anybody."""

    url: str | None = None
    model: str | None = None
    key_env: str | None = None


@dataclass(frozen=True)
class Options:
    """What the command is told besides what to look at."""

    urgency: UrgencyOptions
    judge: JudgeOptions
    rules: Path | None = None
    max_tokens: int | None = None
    explain: bool = False


class Prediction(NamedTuple):
    """What is believed of one text, and what it took."""

    verdict: urgency.Verdict
    p50: int
    p90: int
    milliseconds: float


Look = Callable[[urgency.Asked, int | None], Prediction]
"""From a request, and the limit of its answer if it has one, to what is believed of it."""


def predict(text: str | None, file: Path | None, out: Path | None, options: Options) -> None:
    """Look at one text and show what is believed, or at a file of them and write JSON lines."""
    if (text is None) == (file is None):
        raise Failure("give either a text or --file (the text - is read from standard input)")
    if out and not file:
        raise Failure("--out has no effect without --file")
    with one_line_errors(), ExitStack() as stack:
        if out:
            given = [file, options.rules, options.urgency.model, options.urgency.costs]
            check_output(out, inputs=given)
        look = predictor(options, stack)
        if file:
            _write_all(file, out, look, options.explain)
        else:
            said = _standard_input() if text == "-" else text or ""
            _show(look(urgency.Asked(said), None), options.explain)


def _standard_input() -> str:
    """All of it; what is no UTF-8 becomes marks, for any text gets an answer."""
    if sys.stdin is None:
        raise Failure("standard input is closed")
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def predictor(options: Options, stack: ExitStack) -> Look:
    """What looks at a request; raises InputError for options that cannot be used."""
    triaged, lengths = _triage(options, stack), length.LengthPredictor()
    lengths.predict([""])  # what is loaded at first use is no part of the time

    def look(asked: urgency.Asked, limit: int | None) -> Prediction:
        began_at = time.perf_counter()
        verdict = triaged(asked)
        p50, p90 = lengths.predict([asked.text], _least(limit, options.max_tokens))
        milliseconds = (time.perf_counter() - began_at) * 1e3
        return Prediction(verdict, round(p50[0]), round(p90[0]), milliseconds)

    return look


def _triage(options: Options, stack: ExitStack) -> Callable[[urgency.Asked], urgency.Verdict]:
    classifier = options.urgency.classifier()
    rules = urgency.read_rules(options.rules) if options.rules else ()
    judged = _judge(options.judge, stack)
    classifier.classify("")

    def classify(text: str) -> urgency.Verdict:
        return judged(text, classifier.classify(text, explain=options.explain))

    return lambda asked: urgency.triage(
        asked, claim=None, ceiling=MOST_URGENT, rules=rules, classify=classify
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


Judged = Callable[[str, urgency.Verdict], urgency.Verdict]


def _judge(options: JudgeOptions, stack: ExitStack) -> Judged:
    """A second opinion on a verdict; the first one where nobody is to be asked."""
    if options.url is None:
        if options.model is not None or options.key_env is not None:
            raise Failure("--judge-model and --judge-key-env have no effect without --judge")
        return lambda _, verdict: verdict
    if options.model is None:
        raise Failure("--judge needs --judge-model: the name of the model there")
    with needing("predict --judge", "judge"):
        check_loads("aiohttp")
    return _asking_judge(options, stack)


def _asking_judge(options: JudgeOptions, stack: ExitStack) -> Judged:
    from semsched.predict.urgency.judge import Judge, JudgeSettings, judged

    try:
        settings = JudgeSettings.model_validate(
            {"url": options.url, "model": options.model, "api_key_env": options.key_env}
        )
    except ValidationError as error:
        raise Failure(_judge_fault(error)) from None
    judge, runner = Judge(settings), stack.enter_context(asyncio.Runner())
    stack.callback(lambda: runner.run(judge.close()))
    return lambda text, verdict: judged(verdict, runner.run(judge.ask(text)))


def _judge_fault(error: ValidationError) -> str:
    """Which flag, and why; without what was given: a URL may hold a password."""
    first = error.errors(include_url=False, include_input=False)[0]
    flags = {"url": "--judge", "model": "--judge-model"}
    flag = flags.get(str(first["loc"][0]), "--judge-key-env")
    return f"{flag}: {first['msg'].removeprefix('Value error, ')}"


def _write_all(file: Path, out: Path | None, look: Look, explain: bool) -> None:
    if out is None:
        for line in _lines(file, look, explain):
            print(line)
        return
    with replacing([out]) as parts, parts[out].open("w", encoding="utf-8") as written:
        for line in _lines(file, look, explain):
            written.write(line + "\n")


def _lines(file: Path, look: Look, explain: bool) -> Iterator[str]:
    """A line of JSON (in ASCII) for each row of `file`, with its `id` if it has one."""
    try:
        for where, row in read_objects(file):
            known = {"id": row["id"]} if "id" in row else {}
            prediction = look(_asked(row, where), limit_of(row))
            yield _line(known | _as_row(prediction, explain), where)
    except (OSError, UnicodeDecodeError) as error:
        raise ExampleFileError(f"{file}: cannot be read: {error}") from error


def _line(row: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(row, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise ExampleFileError(f"{where}: id: cannot be written as JSON: {error}") from error


def _asked(row: dict[str, Any], where: str) -> urgency.Asked:
    """What rules may ask of a row; conditions of another kind are as if they were not there."""
    tenant, headers, metadata = (row.get(name) for name in ("tenant", "headers", "metadata"))
    named = headers.items() if isinstance(headers, dict) else ()
    return urgency.Asked(
        _text(row, where),
        tenant=tenant if isinstance(tenant, str) else "",
        headers={name: value for name, value in named if isinstance(value, str)},
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _text(row: dict[str, Any], where: str) -> str:
    if isinstance(row.get("text"), str):
        return str(row["text"])
    if not any(field in row for field in FIELDS):
        raise ExampleFileError(f"{where}: must have text (a string) or one of {', '.join(FIELDS)}")
    return text_of(row)


def _as_row(prediction: Prediction, explain: bool) -> dict[str, Any]:
    verdict, p50, p90, milliseconds = prediction
    chances = verdict.probabilities
    row = {
        "urgency": verdict.urgency,
        "class": CLASS_NAMES[verdict.urgency],
        "reason": verdict.reason,
        "probabilities": chances and [round(chance, 4) for chance in chances],
        "output_tokens_p50": p50,
        "output_tokens_p90": p90,
        "milliseconds": round(milliseconds, 3),
    }
    if explain:
        row["evidence"] = [item._asdict() for item in verdict.evidence]
    return row


def _show(prediction: Prediction, explain: bool) -> None:
    console, verdict = Console(), prediction.verdict
    console.print(
        Text(f"class {verdict.urgency} ({CLASS_NAMES[verdict.urgency]}): {verdict.reason}")
    )
    for urgency_class, chance in enumerate(verdict.probabilities or ()):
        name = f"  {urgency_class} {CLASS_NAMES[urgency_class]:<11}"
        console.print(Text(f"{name}{chance:5.2f} {'█' * round(chance * BAR)}"))
    if explain:
        console.print(_evidence_table(verdict))
    console.print(
        f"answer: about {prediction.p50} tokens, 9 of 10 within {prediction.p90}"
        f" ({prediction.milliseconds:.2f} ms for both predictions)",
        highlight=False,
    )


def _evidence_table(verdict: urgency.Verdict) -> Table:
    title = f"evidence for class {verdict.urgency} (below 0: against it)"
    table = Table(title=title, title_justify="left")
    table.add_column("nats", justify="right")
    table.add_column("words")
    table.add_column("characters")
    table.add_column("taken for")
    for item in verdict.evidence:
        words, place = (item.words, f"{item.start}..{item.end}") if item.end else ("", "")
        table.add_row(f"{item.weight:+.2f}", Text(words), place, Text(item.name))
    return table
