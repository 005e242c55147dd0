"""Admission: from the bytes of a request to its class, its predicted length and its rank."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from semsched.core.dispatch import Entry
from semsched.policy import Policy, ask
from semsched.predict.chat import limit_of, read_tokens, text_of
from semsched.predict.length import LengthPredictor
from semsched.predict.urgency import Asked, Rule, UrgencyClassifier, Verdict, triage
from semsched.predict.urgency.judge import Judge, judged
from semsched.predict.urgency.triage import held
from semsched.request import CLASS_NAMES, Rank, Request
from semsched.serve.claims import DAY, claim_of, deadline_of
from semsched.serve.keys import Key
from semsched.serve.stage import next_stage
from semsched.serve.visit import Visit
from semsched.web.failure import ApiError, Header

DEFAULT_MAX_OUTPUT_TOKENS = 4096
"""Longest answer that is planned for when the client names no limit."""


MAX_MODEL = 200
"""Characters of a model's name."""


@dataclass(slots=True)
class Arrival:
    """A request as it came in."""

    id: int
    at: float
    key: Key
    headers: list[Header] = field(repr=False)
    content: bytes = field(repr=False)
    request_id: str
    field: str
    """Of the body, where the endpoint reads what is asked."""
    has_answer: bool
    """Whether tokens come out of it: an embedding is over with its prefill."""


@dataclass(slots=True)
class Admission:
    """Reads requests. What it holds changes when the configuration is reloaded."""

    policy: Policy
    policy_name: str
    rules: tuple[Rule, ...]
    max_wait: tuple[float, ...]
    """Seconds that each class may wait."""
    classifier: UrgencyClassifier
    judge: Judge | None
    lengths: LengthPredictor
    explains: Callable[[], bool] = lambda: False
    """Whether anybody looks at the evidence."""

    async def admit(self, arrival: Arrival, now: float) -> Visit:
        """What the request asks for and where it stands. Raises ApiError (400, 403)."""
        body = read_object(arrival.content)
        claim = claim_of(arrival.headers, body)
        is_clamped = claim is not None and claim < arrival.key.ceiling
        if is_clamped and arrival.key.above_ceiling == "refuse":
            raise _not_allowed(arrival.key)
        text = text_of(body)
        verdict = await self._verdict(arrival, body, text, claim)
        await next_stage()
        request = self._request(arrival, body, text, verdict.urgency)
        return Visit(
            entry=self._entry(arrival, request),
            verdict=verdict,
            text=text,
            model=_model_in(body),
            request_id=arrival.request_id,
            is_clamped=is_clamped,
            has_answer=arrival.has_answer,
            ready_at=now,
        )

    async def _verdict(
        self, arrival: Arrival, body: dict[str, Any], text: str, claim: int | None
    ) -> Verdict:
        metadata = body.get("metadata")
        asked = Asked(
            text,
            arrival.key.tenant,
            _named(arrival.headers) if self.rules else {},
            metadata if isinstance(metadata, dict) else {},
        )
        given = (claim, arrival.key.ceiling)
        if self.classifier.second is None:
            verdict = self._triage(asked, *given)
        else:  # it may wait for another model
            verdict = await asyncio.to_thread(self._triage, asked, *given)
        if self.judge is None or verdict.probabilities is None:
            return verdict
        return held(judged(verdict, await self.judge.ask(text)), arrival.key.ceiling)

    def _triage(self, asked: Asked, claim: int | None, ceiling: int) -> Verdict:
        return triage(
            asked,
            claim=claim,
            ceiling=ceiling,
            rules=self.rules,
            classify=partial(self.classifier.classify, explain=self.explains()),
        )

    def _request(self, arrival: Arrival, body: dict[str, Any], text: str, urgency: int) -> Request:
        limit = limit_of(body, arrival.field) or DEFAULT_MAX_OUTPUT_TOKENS
        if arrival.has_answer:
            p50, p90 = map(round, self.lengths.believe(text, limit, _model_in(body)))
        else:
            limit = p50 = p90 = 1
        return Request(
            id=arrival.id,
            arrived_at=arrival.at,
            prompt_tokens=read_tokens(body, len(arrival.content)),
            urgency=urgency,
            predicted_output_tokens=p50,
            predicted_p90_tokens=p90,
            max_output_tokens=limit,
            tenant=arrival.key.tenant,
            deadline=arrival.at + (deadline_of(arrival.headers) or DAY),
        )

    def rank(self, request: Request) -> Rank:
        """What the policy says, in plain numbers: it may have looked them up in arrays."""
        return Rank(*map(float, ask(self.policy, request)))

    def _entry(self, arrival: Arrival, request: Request) -> Entry:
        key = arrival.key
        return Entry(
            request=request,
            rank=self.rank(request),
            num_bytes=len(arrival.content),
            expires_at=arrival.at + self.max_wait[request.urgency],
            weight=key.weight,
            max_waiting=key.max_waiting,
        )


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises ApiError (400)."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "invalid_json", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise ApiError(400, "invalid_json", "the body is nested too deeply") from None
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_value", "the body must be a JSON object")
    return body


def _model_in(body: dict[str, Any]) -> str:
    model = body.get("model")
    return model[:MAX_MODEL] if isinstance(model, str) else ""


def _named(headers: list[Header]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _not_allowed(key: Key) -> ApiError:
    name = CLASS_NAMES[key.ceiling]
    return ApiError(403, "priority_not_allowed", f"this key may claim {name} at most", "priority")
