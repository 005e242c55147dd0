"""Answer: what a study says to the question it was asked."""

import polars as pl

from semsched.study.experiment import Question


def answers(results: pl.DataFrame, question: Question, axes: list[str]) -> list[str]:
    """A sentence per policy: the least value that is enough, in the mean over seeds.

    Where other settings vary too, the combination that needs least is named.
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
    enough = means.filter(pl.col(question.metric) >= question.at_least).sort(question.least)
    if enough.is_empty():
        most = means.sort(question.least).row(-1, named=True)[question.least]
        reached = means.sort(question.metric).row(-1, named=True)[question.metric]
        at_best = f"{question.metric} {reached:.3f} at best"
        return f"{policy}: not enough with {question.least} up to {most} ({at_best})"
    best = enough.row(0, named=True)
    how = ", ".join(str(best[other]) for other in others)
    name = f"{policy} ({how})" if how else policy
    return question.says.format(policy=name, value=best[question.least])
