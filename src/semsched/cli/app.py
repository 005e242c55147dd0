"""The command line: what `semsched` can be told to do.

Heavy imports (the simulator, polars) happen inside the commands, so that help is instant.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import semsched
from semsched.cli.adapter import with_flags
from semsched.cli.options import OutputOptions, PoliciesOption, PolicyOption
from semsched.core.scheduling import Scheduling
from semsched.study.settings import EngineSettings, PredictorSettings, WorkloadSettings

INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        # the paper writes its flags with underscores
        "token_normalize_func": lambda token: token.replace("_", "-"),
        "help_option_names": ["--help", "-h"],
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (without the program's name) and return its exit code."""
    try:
        code = app(arguments, prog_name="semsched", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.TyperException as error:
        return _fail(" ".join(error.format_message().split()), error.exit_code)
    except BrokenPipeError:  # the reader has seen enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return 0
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return _fail(str(error), 2)
    if code == INTERRUPTED:
        print("semsched: interrupted", file=sys.stderr)
    return int(code)


def _fail(message: str, code: int) -> int:
    print(f"semsched: error: {message}", file=sys.stderr)
    return code


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"semsched {semsched.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _semsched(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Semantic scheduling for LLM inference: the meaning of a request decides when it runs."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
@with_flags
def simulate(
    policy: PolicyOption,
    workload: WorkloadSettings,
    predictors: PredictorSettings,
    engine: EngineSettings,
    scheduling: Scheduling,
    output: OutputOptions,
) -> None:
    """Simulate one policy and show what each urgency class gets.

    Examples:

        semsched simulate --user-request-gap 0.01 --setting A100_4B

        semsched simulate --trace clinic --load 1.2 --policy aging --rows rows.parquet
    """
    from semsched.cli.commands import Task, simulate
    from semsched.study.scenario import Scenario

    scenario = Scenario(
        workload=workload, predictors=predictors, engine=engine, scheduling=scheduling
    )
    simulate(Task(scenario, output), policy.policy)


@app.command()
@with_flags
def compare(
    policies: PoliciesOption,
    workload: WorkloadSettings,
    predictors: PredictorSettings,
    engine: EngineSettings,
    scheduling: Scheduling,
    output: OutputOptions,
) -> None:
    """Run several policies on the identical workload and show them side by side.

    Examples:

        semsched compare --user-request-gap 0.01 --max-concurrent-user-requests 50

        semsched compare --arrivals poisson --load 0.95 --policies fcfs,semantic --json runs.json
    """
    from semsched.cli.commands import Task, compare
    from semsched.study.scenario import Scenario

    scenario = Scenario(
        workload=workload, predictors=predictors, engine=engine, scheduling=scheduling
    )
    compare(Task(scenario, output), policies.policies)


@app.command()
def sweep(
    experiment: Annotated[
        str, typer.Argument(help="A shipped experiment by its name, or the path of a .toml file.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Results file; the name with .parquet unless told.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds, instead of the experiment's own number.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting for all cells, as key=value; may be repeated."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as cores unless told.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="Run on Ray: an address, or local.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Run every simulation of an experiment; what is done already is not done again.

    Ctrl-C leaves a results file that the same command goes on with. Shipped are: fleet,
    length-error, load, memory, ours, predictor-latency, predictors, priority-error,
    unequal-seats.

    Examples:

        semsched sweep load

        semsched sweep fleet --set trace=mine.csv --seeds 1

        semsched sweep my-experiment.toml --out results.parquet
    """
    from semsched.cli import studies

    studies.sweep(experiment, out, seeds, set_ or [], workers, ray)


@app.command()
def report(
    results: Annotated[
        Path, typer.Argument(help="What `sweep` wrote, or the .parquet of `compare --rows`.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The page; beside the results, as .html, unless told.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Write each figure as a PNG into this folder, too.")
    ] = None,
) -> None:
    """Turn results into tables and figures: one HTML file that needs nothing else.

    Examples:

        semsched report load.parquet

        semsched report load.parquet --out load.html --png slides
    """
    from semsched.cli import studies

    studies.report(results, out, png)


UrgencyModelOption = Annotated[
    Path | None,
    typer.Option("--urgency-model", help="A file that train-urgency wrote, instead of our own."),
]
CostsOption = Annotated[
    Path | None,
    typer.Option(
        "--costs", help="JSON, 5 lists of 5 numbers: what it costs to give true class i class j."
    ),
]
EmbedOption = Annotated[
    bool, typer.Option("--embed", help="Look at the sentence embedding, too (extra embed).")
]


@app.command()
def predict(
    text: Annotated[
        str | None, typer.Argument(help="What to look at; - reads standard input.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help='JSONL, a line each: {"text": ...} or the body of an OpenAI request.'),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the rows go; standard output unless told.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show which words speak for the class, and against.")
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The answer's limit that the client declared.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="TOML of an operator's own rules, which come first.")
    ] = None,
    urgency_model: UrgencyModelOption = None,
    costs: CostsOption = None,
    embed: EmbedOption = False,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Base URL of an OpenAI-compatible API for a second opinion.", metavar="URL"
        ),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The model to ask there.", metavar="NAME")
    ] = None,
    judge_key_env: Annotated[
        str | None,
        typer.Option(help="Environment variable that holds the API key.", metavar="VARIABLE"),
    ] = None,
) -> None:
    """How urgent a text is, why, and how long its answer will run.

    Classes are 0 critical, 1 urgent, 2 standard, 3 low, 4 background. Not a medical device.

    Examples:

        semsched predict "crushing chest pain, BP 82/50, sweating" --explain

        semsched predict --file requests.jsonl --out predicted.jsonl
    """
    from semsched.cli import predict as command

    command.predict(
        text,
        file,
        out,
        command.Options(
            command.UrgencyOptions(urgency_model, costs, embed),
            command.JudgeOptions(judge, judge_model, judge_key_env),
            rules=rules,
            max_tokens=max_tokens,
            explain=explain,
        ),
    )


@app.command(name="train-urgency")
def train_urgency(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help='JSONL of your own, a line each: {"text": ..., "label": 0 to 4}.'),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("urgency.npz"),
    embed: Annotated[
        bool, typer.Option("--embed", help="Train a head for sentence embeddings, too.")
    ] = False,
) -> None:
    """Train the urgency model on the seeds that come along and on texts of your own.

    Ends with how good it is on texts that are kept apart from training. Takes seconds; with
    --embed a minute or two.

    Examples:

        semsched train-urgency triaged-last-month.jsonl --out ours.npz

        semsched predict "server room is flooding" --urgency-model ours.npz
    """
    from semsched.cli import predictors

    predictors.train_urgency(files or [], out, embed)


@app.command(name="eval-urgency")
def eval_urgency(
    file: Annotated[
        Path, typer.Argument(help='JSONL, a line each: {"text": ..., "label": 0 to 4}.')
    ],
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures into this file, too.")
    ] = None,
    urgency_model: UrgencyModelOption = None,
    costs: CostsOption = None,
    embed: EmbedOption = False,
) -> None:
    """How well urgency is told: kappa, accuracy, under- and over-triage, calibration, confusion.

    Example:

        semsched eval-urgency triaged.jsonl --json figures.json
    """
    from semsched.cli import predictors
    from semsched.cli.predict import UrgencyOptions

    predictors.eval_urgency(file, json_path, UrgencyOptions(urgency_model, costs, embed))


@app.command(name="eval-length")
def eval_length(
    file: Annotated[Path, typer.Argument(help='JSONL, a line each: {"text": ..., "len": ...}.')],
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures into this file, too.")
    ] = None,
) -> None:
    """How well output lengths are predicted, before and while learning from a file's answers.

    `len` is the length of the answer in output tokens. Rows are met in order, each predicted
    before it is learned from.

    Example:

        semsched eval-length answers.jsonl --json figures.json
    """
    from semsched.cli import predictors

    predictors.eval_length(file, json_path)
