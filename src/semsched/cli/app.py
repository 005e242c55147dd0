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
from semsched.cli import gateway_commands, predictor_commands
from semsched.cli.adapter import unwrap_help, with_flags
from semsched.cli.options import EngineOptions, OutputOptions, PoliciesOption, PolicyOption
from semsched.core.scheduling import Scheduling
from semsched.engine.faults import Faults
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
        code = _run(arguments)
    except typer.TyperException as error:
        lines = (" ".join(line.split()) for line in error.format_message().splitlines())
        return _fail("\n".join(filter(None, lines)), error.exit_code)
    except BrokenPipeError:  # the reader has seen enough
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return _fail(str(error), 2)
    if code == INTERRUPTED:
        print("semsched: interrupted", file=sys.stderr)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    """The exit code of a command; raises BrokenPipeError if nobody reads its output any more."""
    try:
        code = app(arguments, prog_name="semsched", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as error:  # typer and rich turn a broken pipe into a failure
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise
    return int(code)


def _drop_output() -> None:
    """What is left in the buffer must not fail again at the interpreter's end."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


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


@app.command()
@with_flags
def engine(options: EngineOptions, scheduling: Scheduling, faults: Faults) -> None:
    """An engine without a GPU behind OpenAI's API: real scheduling and timing, made-up words.

    It stands in for a vLLM server in tests: the same fields, the same names of metrics. Needs
    the extra serve. Ctrl-C stops it.

    Examples:

        semsched engine --port 8001 --setting H100_8B --batching chunked

        semsched engine --speed 20 --error-rate 0.05 --cut-rate 0.02
    """
    from semsched.cli import engine as command

    command.engine(options, scheduling, faults)


for _more in (gateway_commands.app, predictor_commands.app):
    app.add_typer(_more)
    unwrap_help(_more)
unwrap_help(app)
