"""The command line: what `semsched` can be told to do.

Heavy imports (the simulator, polars) happen inside the commands, so that help is instant.
"""

import sys
from collections.abc import Sequence
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
    except typer.TyperException as error:
        message = " ".join(error.format_message().split())
        print(f"semsched: error: {message}", file=sys.stderr)
        return error.exit_code
    if code == INTERRUPTED:
        print("semsched: interrupted", file=sys.stderr)
    return int(code)


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
