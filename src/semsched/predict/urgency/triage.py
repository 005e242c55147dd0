"""The class a request is given: an explicit claim, else the operator's rules, else the model."""

import logging
from collections.abc import Callable, Sequence

from semsched.errors import InputError
from semsched.predict.urgency.rules import Asked, Rule, matching
from semsched.predict.urgency.verdict import UNSURE, Verdict
from semsched.request import NUM_CLASSES

_log = logging.getLogger(__name__)


def triage(
    asked: Asked,
    *,
    claim: int | None,
    ceiling: int,
    rules: Sequence[Rule],
    classify: Callable[[str], Verdict],
) -> Verdict:
    """The class of what was asked, and who said so; never more urgent than `ceiling`.

    `claim` is what the client declared (None: nothing), `ceiling` the most urgent class that its
    key may reach. A claim or a rule says nothing of probabilities. Raises InputError for a claim
    or ceiling that is no class, and nothing else: where `classify` fails the class is UNSURE.
    """
    _check("ceiling", ceiling)
    if claim is not None:
        _check("claim", claim)
        return held(Verdict(claim, "claimed by the client", source="claim"), ceiling)
    rule = matching(rules, asked)
    if rule is not None:
        return held(Verdict(rule.urgency, f"rule {rule.name!r}", source="rule"), ceiling)
    return held(_classified(asked.text, classify), ceiling)


def held(verdict: Verdict, ceiling: int) -> Verdict:
    """`verdict`, no more urgent than `ceiling`."""
    if verdict.urgency >= ceiling:
        return verdict
    reason = f"{verdict.reason}; {verdict.urgency} held to the key's ceiling {ceiling}"
    return verdict.moved(ceiling, reason)


def _classified(text: str, classify: Callable[[str], Verdict]) -> Verdict:
    try:
        return classify(text)
    except Exception as error:  # noqa: BLE001 - a failure costs a request its place, not its life
        # The message of the error might quote the text.
        _log.warning("urgency model failed (%s); class %d", type(error).__name__, UNSURE)
        return Verdict(UNSURE, "the model failed", source="none")


def _check(name: str, urgency: int) -> None:
    if isinstance(urgency, bool) or not isinstance(urgency, int):
        raise InputError(f"{name}: must be a whole number 0 to {NUM_CLASSES - 1}")
    if not 0 <= urgency < NUM_CLASSES:
        raise InputError(f"{name}: must be 0 to {NUM_CLASSES - 1}")
