import logging

import pytest

from semsched.errors import InputError
from semsched.predict.urgency.rules import Asked, Rule
from semsched.predict.urgency.triage import held, triage
from semsched.predict.urgency.verdict import UNSURE, Verdict

RULES = [Rule(name="ward", urgency=1, pattern="ward")]
MODEL = Verdict(0, "not breathing", (0.9, 0.1, 0.0, 0.0, 0.0))


def model(_text: str) -> Verdict:
    return MODEL


def asked(text: str, *, claim: int | None = None, ceiling: int = 0) -> Verdict:
    return triage(Asked(text), claim=claim, ceiling=ceiling, rules=RULES, classify=model)


@pytest.mark.parametrize(
    ("text", "claim", "urgency", "reason"),
    [
        ("ward", 3, 3, "claimed by the client"),
        ("ward", 0, 0, "claimed by the client"),
        ("ward", None, 1, "rule 'ward'"),
        ("other", None, 0, "not breathing"),
    ],
)
def test_a_claim_comes_before_rules_and_rules_before_the_model(
    text: str, claim: int | None, urgency: int, reason: str
) -> None:
    verdict = asked(text, claim=claim)
    assert (verdict.urgency, verdict.reason) == (urgency, reason)
    assert verdict.probabilities == (MODEL.probabilities if text == "other" else None)


@pytest.mark.parametrize(
    ("text", "claim", "reason"),
    [
        ("ward", 0, "claimed by the client; 0 held to the key's ceiling 2"),
        ("ward", None, "rule 'ward'; 1 held to the key's ceiling 2"),
        ("other", None, "not breathing; 0 held to the key's ceiling 2"),
    ],
)
def test_nothing_is_more_urgent_than_the_ceiling(text: str, claim: int | None, reason: str) -> None:
    verdict = asked(text, claim=claim, ceiling=2)
    assert (verdict.urgency, verdict.reason) == (2, reason)


def test_less_urgent_than_the_ceiling_stays() -> None:
    assert asked("other", claim=4, ceiling=2).urgency == 4
    assert held(MODEL, 0) is MODEL


def test_the_model_is_quoted_in_full_and_asked_only_if_needed() -> None:
    heard: list[str] = []

    def listening(text: str) -> Verdict:
        heard.append(text)
        return MODEL

    for text, claim in (("ward", 1), ("ward", None), ("other", None)):
        verdict = triage(Asked(text), claim=claim, ceiling=1, rules=RULES, classify=listening)
    assert heard == ["other"]
    assert verdict.probabilities == MODEL.probabilities


def test_a_failing_model_costs_no_request_and_quotes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failing(text: str) -> Verdict:
        raise ValueError(text)

    with caplog.at_level(logging.DEBUG):
        verdict = triage(Asked("secret"), claim=None, ceiling=0, rules=RULES, classify=failing)
    assert (verdict.urgency, verdict.reason) == (UNSURE, "the model failed")
    assert verdict.probabilities is None
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("wrong", [-1, 5, 10**30, True, 1.0, "1", float("nan")])
def test_a_claim_or_ceiling_that_is_no_class_is_said(wrong: int) -> None:
    with pytest.raises(InputError, match="claim: must be"):
        asked("other", claim=wrong)
    with pytest.raises(InputError, match="ceiling: must be"):
        asked("other", ceiling=wrong)
