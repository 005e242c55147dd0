"""The headline: what a study found, in two or three sentences with numbers."""

from collections.abc import Sequence

from semsched.report.html.findings import Findings
from semsched.report.html.words import ALL, number

BASELINE, SUBJECT = "fcfs", "semantic"
"""What is compared if it is there: arrival order, and the policy this project is about."""


def headline(findings: Findings) -> list[str]:
    """Sentences, plain text with `policies` in backquotes; where requests take longest."""
    urgent = _most_urgent(findings)
    if urgent is None:
        return ["No request was answered."]
    where = findings.named(findings.busiest)
    situation = f"Where requests take longest ({where}), under" if where else "Under"
    before, after = _contestants(findings, urgent)
    if before == after:
        return [_alone(findings, after, urgent, situation)]
    return [
        _urgent(findings, before, after, urgent, situation),
        _everybody(findings, before, after),
        *_whole(findings, before, after, urgent),
    ]


def _most_urgent(findings: Findings) -> str | None:
    """The most urgent class there is."""
    return next((group for group in findings.groups if group != ALL), None)


def _mean(findings: Findings, policy: str, group: str) -> float | None:
    estimate = findings.estimate("e2e_mean", policy, group, findings.busiest)
    return None if estimate is None else estimate.mean


def _contestants(findings: Findings, urgent: str) -> tuple[str, str]:
    """The baseline and the policy to compare with it: the best for the urgent, if in doubt."""
    means = {policy: _mean(findings, policy, urgent) for policy in findings.policies}
    measured = [policy for policy, mean in means.items() if mean is not None]
    there: Sequence[str] = measured or findings.policies
    before = BASELINE if BASELINE in there else there[0]
    if SUBJECT in there and before != SUBJECT:
        return before, SUBJECT
    others = [policy for policy in there if policy != before] or [before]
    return before, min(others, key=lambda policy: means[policy] or 0.0)


def _alone(findings: Findings, policy: str, urgent: str, situation: str) -> str:
    own, all_ = _mean(findings, policy, urgent), _mean(findings, policy, ALL)
    return (
        f"{situation} `{policy}`, class {urgent} is answered in {_time(own)} in the mean; "
        f"the mean over all requests is {_time(all_)}."
    )


def _urgent(findings: Findings, before: str, after: str, urgent: str, situation: str) -> str:
    new, old = _mean(findings, after, urgent), _mean(findings, before, urgent)
    return (
        f"{situation} `{after}`, class {urgent} is answered in {_time(new)} in the mean instead "
        f"of {_time(old)} under `{before}`{_sooner(old, new)}."
    )


def _everybody(findings: Findings, before: str, after: str) -> str:
    """What it does to everyone, and to those at the other end."""
    last = findings.groups[-1]
    pairs = [
        (_mean(findings, before, group), _mean(findings, after, group)) for group in (ALL, last)
    ]
    (all_before, all_after), (last_before, last_after) = pairs
    return (
        f"The mean over all requests changes from {_time(all_before)} to {_time(all_after)}; "
        f"class {last}, the least urgent, from {_time(last_before)} to {_time(last_after)}."
    )


def _whole(findings: Findings, before: str, after: str, urgent: str) -> list[str]:
    """The same over all scenarios, if there are several."""
    if len(findings.common) < 2:
        return []
    old = findings.overall("e2e_mean", before, urgent)
    new = findings.overall("e2e_mean", after, urgent)
    if old is None or new is None:
        return []
    return [
        f"Over {len(findings.common)} scenarios, class {urgent} takes {_time(new.mean)} in the "
        f"mean instead of {_time(old.mean)}{_sooner(old.mean, new.mean)}."
    ]


def _sooner(old: float | None, new: float | None) -> str:
    if not old or not new:
        return ""
    times = old / new if new <= old else new / old
    return f" ({times:.1f} times {'sooner' if new <= old else 'later'})"


def _time(seconds: float | None) -> str:
    return "no time known" if seconds is None else f"{number(seconds)} s"
