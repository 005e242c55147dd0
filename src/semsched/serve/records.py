"""Records: everything that is written down of a request, from one place, each thing once."""

from collections.abc import Callable, Iterator
from dataclasses import fields

from semsched.core.dispatch import Entry
from semsched.core.drain import DrainRate
from semsched.predict.urgency.vitals import Vitals
from semsched.serve.board import Clue, Ended, Recent
from semsched.serve.books import Books
from semsched.serve.journal import Journal
from semsched.serve.learning import Lesson, Teacher
from semsched.serve.logs import log_request
from semsched.serve.metrics import Metrics
from semsched.serve.visit import Visit

_SIGNS = {field.name for field in fields(Vitals)} | {"worst"}
"""How evidence of a vital sign begins."""


class Records:
    """Counts, journal, metrics, log, board and lessons; told of each request as it goes."""

    def __init__(
        self,
        journal: Journal,
        metrics: Metrics,
        teacher: Teacher,
        drain: DrainRate,
        *,
        now: Callable[[], float],
        shows_text: bool,
    ) -> None:
        self.books = Books()
        self.recent = Recent()
        self.metrics = metrics
        self.visits: dict[int, Visit] = {}
        """Who is there."""
        self._journal = journal
        self._teacher = teacher
        self._drain = drain
        self._now = now
        self._shows_text = shows_text

    def accept(self, visit: Visit) -> None:
        """A request was read and classified."""
        self.visits[visit.id] = visit
        self.books.accept(visit.entry.request.urgency, visit.is_clamped)
        self.metrics.accept(visit)

    def move(self, id: int, entry: Entry) -> None:
        """An operator gave a waiting request another class."""
        visit = self.visits[id]
        self.books.move(visit.entry.request.urgency, entry.request.urgency)
        visit.entry = entry

    def retry(self, visit: Visit) -> None:
        """A backend failed it, and it waits again."""
        visit.wait_again()
        self.books.num_retries += 1
        self.metrics.retry(visit)

    def first_token(self, visit: Visit) -> None:
        """Its answer begins."""
        now = self._now()
        visit.first_token_at = now
        request = visit.entry.request
        self.recent.first_token(request.urgency, now - request.arrived_at, now)
        self.metrics.first_token(visit, now - request.arrived_at)

    def end(self, visit: Visit) -> None:
        """It is over."""
        del self.visits[visit.id]
        if visit.outcome is None or visit.ended_at is None:
            raise ValueError(f"request {visit.id} has not ended")
        self.books.end(visit.entry.request.urgency, visit.outcome)
        self.metrics.end(visit)
        self.recent.end(self._ended(visit, visit.ended_at))
        if self._journal.is_open:
            self._journal.row(visit.row())
        log_request(visit)
        if visit.started_at is not None:
            self._drain.ended(visit.ended_at)
        if visit.outcome == "finished" and visit.output_tokens and visit.has_answer:
            self._learn(visit)

    def _learn(self, visit: Visit) -> None:
        request, tokens = visit.entry.request, visit.tokens
        truncated = tokens.finish_reason_length
        self._teacher.teach(Lesson(visit.text, tokens.tokens, visit.model, truncated))
        if not truncated:
            p50, p90 = request.predicted_output_tokens, request.predicted_p90_tokens
            self.metrics.length(tokens.tokens, p50, p90)

    def check(self) -> None:
        """Raise LostRequestError unless every request is accounted for."""
        self.books.check(len(self.visits))

    def _ended(self, visit: Visit, ended_at: float) -> Ended:
        request, first = visit.entry.request, visit.first_token_at
        return Ended(
            id=visit.request_id,
            urgency=request.urgency,
            tenant=request.tenant,
            outcome=visit.outcome or "failed",
            code=visit.code,
            queue_time=visit.queue_time,
            ttft=None if first is None else first - request.arrived_at,
            e2e=ended_at - request.arrived_at,
            predicted_output_tokens=request.predicted_output_tokens,
            output_tokens=visit.output_tokens,
            reason=visit.verdict.reason if self._shows_text else visit.verdict.source,
            evidence=list(self._clues(visit)),
        )

    def _clues(self, visit: Visit) -> Iterator[Clue]:
        """What spoke for the class: vital signs, and words where they may be shown (what stands on
        words is named after them). How long a text is and the like tells a reader nothing."""
        for evidence in visit.verdict.evidence:
            is_told = self._shows_text if evidence.words else evidence.name.split()[0] in _SIGNS
            if evidence.weight > 0 and is_told:
                yield Clue(evidence.name, evidence.words or None)
