"""The page: one HTML document that needs nothing else, on line or off."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from semsched.policy import POLICIES
from semsched.report.files import replacing
from semsched.report.html.figures import pictures
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.headline import headline
from semsched.report.html.looks import Look, looks
from semsched.report.html.picture import Picture, ReportError, to_json
from semsched.report.html.tables import overall_table, scenario_table
from semsched.report.html.words import axis_title, value_text

MAX_LINES = 700
"""Scenarios times policies that can be looked at one by one; the page shall stay below 8 MB."""

HERE = files("semsched.report.html")


def write_report(path: Path, results: pl.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Write the page for a table of results (`study/results.py`) and its metadata.

    Raises ReportError if there is nothing to show or plotly is missing, OutputError if the file
    cannot be written; then whatever was there stays.
    """
    text = document(Findings(results, metadata), plotly_script())
    with replacing([path]) as temporary:
        temporary[path].write_text(text, "utf-8")


def plotly_script() -> str:
    """plotly.js; raises ReportError if it is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ReportError("a report needs plotly: pip install 'semsched[report]'") from error
    return str(get_plotlyjs())


def document(findings: Findings, plotly: str) -> str:
    """The page as text. Raises ReportError if the results have no rows."""
    if findings.results.is_empty():
        raise ReportError("the results have no rows: there is nothing to report")
    scenarios = shown_scenarios(findings)
    drawn = pictures(findings, scenarios)
    title = escape(str(findings.metadata.get("title") or findings.metadata.get("name") or ""))
    parts = [
        _head(title),
        "<body><main>",
        _opening(findings, title),
        _contents(drawn),
        _controls(findings),
        _comparison(findings, scenarios),
        *(_figure(picture) for picture in drawn),
        _explanation(findings),
        _rebuild(findings.metadata),
        "</main>",
        _data(findings, scenarios, drawn),
        f"<script>{plotly}</script>",
        f"<script>{HERE.joinpath('script.js').read_text('utf-8')}</script>",
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def shown_scenarios(findings: Findings) -> list[Scenario]:
    """All scenarios; of very many an even choice, the busiest among them."""
    step = -(-len(findings.scenarios) * len(findings.policies) // MAX_LINES)
    chosen = {*findings.scenarios[::step], findings.busiest}
    return [scenario for scenario in findings.scenarios if scenario in chosen]


def _head(title: str) -> str:
    style = HERE.joinpath("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · semsched</title><style>{style}</style></head>"
    )


def _opening(findings: Findings, title: str) -> str:
    first, *more = (_marked(sentence) for sentence in headline(findings))
    description = escape(str(findings.metadata.get("description") or "").strip())
    notes = "".join(f"<li>{_marked(note)}</li>" for note in findings.metadata.get("notes") or ())
    return (
        f"<header><p class=kicker>semsched · scheduling of LLM requests by urgency and length</p>"
        f"<h1>{title}</h1>"
        f"{f'<p class=description>{description}</p>' if description else ''}"
        f"<div class=headline id=headline><p class=first>{first}</p><p>{' '.join(more)}</p>"
        f"{f'<ul>{notes}</ul>' if notes else ''}</div>"
        f"<p class=facts>{_facts(findings)}</p></header>"
    )


def _facts(findings: Findings) -> str:
    counts = {
        "policy": len(findings.policies),
        "scenario": len(findings.scenarios),
        "seed": findings.num_seeds,
    }
    plural = {"policy": "policies"}
    told = [
        f"{num} {noun if num == 1 else plural.get(noun, f'{noun}s')}"
        for noun, num in counts.items()
    ]
    return (
        f"{' · '.join(told)}. Requests come in five urgency classes: 0, where someone may be "
        "hurt, to 4, which can wait. A policy decides whom the LLM engine serves next."
    )


def _contents(drawn: Sequence[Picture]) -> str:
    links = [("comparison", "Comparison"), *((each.name, each.title) for each in drawn)]
    links += [("explanation", "What the words mean"), ("rebuild", "How to rebuild this page")]
    items = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in links)
    return f"<nav aria-label=Contents><ul>{items}</ul></nav>"


def _controls(findings: Findings) -> str:
    """What holds for all figures: the scenario to look at, and which colour is which policy."""
    selects = "".join(
        _select(axis, number, findings.values(number)) for number, axis in enumerate(findings.axes)
    )
    samples = "".join(_sample(policy, look) for policy, look in looks(findings.policies).items())
    return (
        f"<div class=controls>{f'<div class=selects>{selects}</div>' if selects else ''}"
        f'<div class=legend role=group aria-label="Policies: choose which are drawn">'
        f"{samples}</div></div>"
        "<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>"
    )


def _select(axis: str, number: int, values: Sequence[Any]) -> str:
    options = "".join(f"<option>{escape(value_text(value))}</option>" for value in values)
    return (
        f"<label>{escape(axis_title(axis))} "
        f'<select data-axis="{number}" autocomplete=off>{options}</select></label>'
    )


def _sample(policy: str, look: Look) -> str:
    """An entry of the legend: a stroke as in the figures, and the name."""
    dashes = {"dash": "6 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "10 4"}
    dash = f' stroke-dasharray="{dashes[look.dash]}"' if look.dash in dashes else ""
    return (
        f'<button type=button aria-pressed=true data-policy="{escape(policy)}">'
        "<svg width=30 height=8 aria-hidden=true><line x1=0 y1=4 x2=30 y2=4 stroke-width=3 "
        f'stroke="{look.colour}"{dash} /></svg>{escape(policy)}</button>'
    )


def _comparison(findings: Findings, scenarios: Sequence[Scenario]) -> str:
    start = scenarios.index(findings.busiest)
    tables = "".join(
        f'<div data-scenario="{number}"{"" if number == start else " hidden"}>'
        f"{scenario_table(findings, scenario)}</div>"
        for number, scenario in enumerate(scenarios)
    )
    thinned = len(scenarios) < len(findings.scenarios)
    return (
        "<section id=comparison><h2>Comparison</h2><p class=caption>Mean E2E latency (from arrival "
        "to the last token) of each class, and what else counts. The best of each column is bold."
        f"{' Details are kept of some scenarios only, evenly chosen.' if thinned else ''}</p>"
        f"{overall_table(findings) if len(findings.common) > 1 else ''}{tables}</section>"
    )


def _figure(picture: Picture) -> str:
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in picture.legend
    )
    shown = f' <span class=chosen data-chosen="{picture.name_of_scenario}"></span>'
    return (
        f"<section id={picture.name}><h2>{picture.title}</h2>"
        f"<p class=caption>{picture.caption}{'.' if not picture.caption.endswith('.') else ''}"
        f"{shown if len(picture.variants) > 1 else ''}</p>"
        f"{f'<p class=states>{legend}</p>' if legend else ''}"
        f'<div class=plot id="plot-{picture.name}" role=img aria-label="{picture.title}. '
        f'{picture.caption}" style="min-height:{picture.panel_height}px"></div></section>'
    )


def _explanation(findings: Findings) -> str:
    """The words of the page, and the policies by their own docstrings."""
    docs = {name: (policy.__doc__ or "").split("\n")[0] for name, policy in POLICIES.items()}
    terms = {policy: docs[policy] for policy in findings.policies if policy in docs}
    absent = [word for word, metric in MEASURED.items() if not findings.has(metric)]
    terms |= {word: text for word, text in WORDS.items() if word not in absent}
    items = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in terms.items()
    )
    return f"<section id=explanation><h2>What the words mean</h2><dl>{items}</dl></section>"


def _rebuild(metadata: Mapping[str, Any]) -> str:
    facts = {"semsched": "version", "machine": "machine", "made at": "created_at"}
    rows = "".join(
        f"<dt>{term}</dt><dd>{escape(str(metadata[key]))}</dd>"
        for term, key in facts.items()
        if metadata.get(key)
    )
    command, experiment = (str(metadata.get(key) or "") for key in ("command", "experiment"))
    return (
        "<section id=rebuild><h2>How to rebuild this page</h2>"
        f"{f'<pre><code>{escape(command)}</code></pre>' if command else ''}<dl>{rows}</dl>"
        f"{_experiment(experiment) if experiment else ''}</section>"
    )


def _experiment(text: str) -> str:
    return f"<h3>The experiment</h3><pre><code>{escape(text.strip())}</code></pre>"


def _data(findings: Findings, scenarios: Sequence[Scenario], drawn: Sequence[Picture]) -> str:
    x = findings.metadata.get("x")
    data = {
        "scenarios": [[value_text(value) for value in scenario] for scenario in scenarios],
        "names": [findings.named(scenario) for scenario in scenarios],
        "families": [findings.named(scenario, without=x) for scenario in scenarios],
        "start": scenarios.index(findings.busiest),
        "pictures": {
            picture.name: {
                "styles": picture.styles,
                "variants": picture.variants,
                "of_scenario": list(picture.of_scenario),
                "layouts": [picture.arranged(columns) for columns in picture.columns],
            }
            for picture in drawn
        },
    }
    return f'<script type="application/json" id=report-data>{to_json(data)}</script>'


def _marked(sentence: str) -> str:
    """Escaped, with what stands in backquotes as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(sentence))


WORDS = {
    "E2E latency": "Time from the arrival of a request to its last token.",
    "TTFT": "Time to first token: from the arrival of a request to the first token of its answer.",
    "p99": "99 % of the requests were served at least so fast.",
    "in time": "Share of requests answered within the target of their class: "
    "5, 15, 30, 60 and 120 s for classes 0 to 4.",
    "KV": "The engine's memory of the requests it is serving (the key-value cache).",
    "preemption, eviction": "A running request gives up its seat; its KV memory is taken, too.",
    "distance": "Mean weighted latency over the lower bound that no policy can beat.",
    "scenario": "One combination of the settings that the study varies.",
    "seed": "One repetition with other random requests; what is shown is the mean over all.",
}

MEASURED = {
    "TTFT": "ttft_mean",
    "p99": "e2e_p99",
    "in time": "slo_attainment",
    "KV": "kv_utilisation_mean",
    "preemption, eviction": "num_preemptions",
    "distance": "distance",
}
"""Words that are not on a page where this was not measured."""
