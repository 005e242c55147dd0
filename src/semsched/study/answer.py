"""Answer: what a study says to the question it was asked."""

from typing import Any

import polars as pl

from semsched.study.experiment import Question


def answers(results: pl.DataFrame, question: Question, axes: list[str]) -> list[str]:
    """A sentence per policy: the least value that is enough, in the mean over seeds.

    Where other settings vary too and matter, those that need least are named.
    """
    others = [axis for axis in axes if axis != question.least]
    means = (
        results.filter(pl.col("urgency") == question.urgency)
        .group_by("policy", *others, question.least, maintain_order=True)
        .agg(pl.col(question.metric).mean())
    )
    return [
        _sentence(policy, means.filter(pl.col("policy") == policy), question, others)
        for policy in means["policy"].unique(maintain_order=True)
    ]


def _sentence(policy: str, means: pl.DataFrame, question: Question, others: list[str]) -> str:
    needs: dict[str, Any] = {}
    for _, group in means.group_by(others or pl.lit(""), maintain_order=True):
        how = ", ".join(str(group[other][0]) for other in others)
        needs[how] = _least(group, question)
    known = [need for need in needs.values() if need is not None]
    if not known:
        most = means.sort(question.least).row(-1, named=True)[question.least]
        reached = means.sort(question.metric).row(-1, named=True)[question.metric]
        at_best = f"{question.metric} {reached:.3f} at best"
        return f"{policy}: not enough with {question.least} up to {most} ({at_best})"
    best = [how for how, need in needs.items() if need == min(known)]
    name = policy if len(best) == len(needs) else f"{policy} ({' or '.join(best)})"
    return question.says.format(policy=name, value=min(known))


def _least(means: pl.DataFrame, question: Question) -> Any:
    """The least value from which on it is enough; None if there is none."""
    least = None
    for row in means.sort(question.least, descending=True).iter_rows(named=True):
        if row[question.metric] is None or row[question.metric] < question.at_least:
            break
        least = row[question.least]
    return least
