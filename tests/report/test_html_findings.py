import re

import polars as pl
import pytest

from semsched.report.html.estimate import Estimate, t_975
from semsched.report.html.findings import Findings
from semsched.report.html.headline import headline
from semsched.report.html.tables import overall_table, scenario_table
from semsched.report.html.words import margin, number, setting_text
from tests.report.results import metadata, results


def found(frame: pl.DataFrame) -> Findings:
    return Findings(frame, metadata())


def cells(table: str, policy: str) -> list[str]:
    row = re.search(rf"<tr><th scope=.row.>{policy}</th>(.*?)</tr>", table)
    assert row
    return re.findall(r"<td[^>]*>([^<]*)", row[1])


def test_an_interval_as_in_a_textbook() -> None:
    # n = 5, s = 1.5811, t = 2.7764: 3 +- 2.7764 * 1.5811 / sqrt(5)
    estimate = Estimate.of([1.0, 2.0, 3.0, 4.0, 5.0, None])
    assert estimate == pytest.approx((3.0, 1.96324), abs=1e-4)
    assert Estimate.of([7.0]) == (7.0, None)
    assert Estimate.of([None]) is Estimate.of([]) is None


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (19, 2.0930), (21, 2.0796), (30, 2.0423), (120, 1.9799), (10**6, 1.95997)],
)
def test_quantiles_of_student(freedom: int, quantile: float) -> None:
    assert t_975(freedom) == pytest.approx(quantile, abs=1e-4)


def test_means_are_over_seeds() -> None:
    findings = found(results())
    assert findings.estimate("e2e_mean", "semantic", "0", (1.0,)) == pytest.approx(
        (8.7, t_975(2) / 3**0.5)
    )
    assert findings.estimate("e2e_mean", "semantic", "1", (1.0,)) is None
    overall = findings.overall("e2e_mean", "semantic", "0")
    assert overall is not None
    assert overall.mean == pytest.approx(8.7 * 0.75)
    assert findings.groups == ["all", "0", "4"]
    assert (findings.num_seeds, findings.busiest) == (3, (1.0,))


def test_what_not_every_policy_ran_is_no_part_of_the_whole() -> None:
    lacking = (pl.col("policy") == "semantic") & (pl.col("load") == 1.0)
    findings = found(results().filter(~lacking))
    assert findings.scenarios == [(0.5,), (1.0,)]
    assert findings.common == [(0.5,)]
    half_done = results().filter(~(lacking & (pl.col("seed") == 2)))
    overall = found(half_done).overall("e2e_mean", "fcfs", "all")
    assert overall is not None  # of the seeds that semantic lacks nothing follows for fcfs
    assert overall.mean == pytest.approx(51.5 * 0.75)


def test_the_headline_says_what_the_table_says() -> None:
    findings = found(results(loads=[0.5, 1.0]))
    first, second, third = headline(findings)
    table = scenario_table(findings, (1.0,))
    before, after = cells(table, "fcfs"), cells(table, "semantic")
    assert first == (
        f"Where requests take longest (load 1), under `semantic`, class 0 is answered in "
        f"{after[0]} s in the mean instead of {before[0]} s under `fcfs` (5.8 times sooner)."
    )
    assert (before[0], after[0]) == ("50.2", "8.70")
    assert f"from {before[2]} s to {after[2]} s; class 4" in second
    whole = overall_table(findings)
    assert f"takes {cells(whole, 'semantic')[0]} s" in third
    assert "Over 2 scenarios" in third


def test_a_headline_for_one_policy_and_for_worse_ones() -> None:
    (alone,) = headline(Findings(results(loads=[1.0], policies=["fcfs"]), metadata(axes=[])))
    assert alone.startswith("Under `fcfs`, class 0 is answered in 50.2 s in the mean;")
    renamed = pl.col("policy").replace({"fcfs": "semantic", "semantic": "fcfs"})
    first, *_ = headline(found(results().with_columns(renamed)))
    assert "(5.8 times later)" in first


def test_headline_without_an_answer() -> None:
    assert headline(found(results().with_columns(e2e_mean=None))) == ["No request was answered."]


def test_the_best_stands_out_unless_all_are_equal() -> None:
    table = scenario_table(found(results()), (1.0,))
    assert "<td class=best>8.70<" in table
    assert "<td>25.0 %" in table
    assert "<td class=best>90" not in table


def test_distance_to_the_bound() -> None:
    assert cells(scenario_table(found(results()), (1.0,)), "fcfs")[-1] == "1.50"


def test_numbers() -> None:
    assert [number(x) for x in (0, 0.0123, 1.234, 12.34, 1234.5)] == [
        "0", "0.012", "1.23", "12.3", "1,234",
    ]  # fmt: skip
    assert [margin(x) for x in (0.0, 0.0001, 0.03, 4.0, 17.4)] == [
        "0",
        "0.00",
        "0.030",
        "4.0",
        "17",
    ]
    assert setting_text("user_request_gap", 0.01) == "user request gap 0.01 s"
    assert setting_text("backfill", False) == "backfill off"
