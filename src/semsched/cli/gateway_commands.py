"""The command line of the gateway: `serve`, `replay`, `new-key`; part of `cli/app.py`.

Heavy imports happen inside the commands, so that help is instant.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from semsched.cli.errors import needing

app = typer.Typer()


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option(help="A configuration, as examples/gateway.toml.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on: 127.0.0.1.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="8080 unless told; 0 takes any free one."
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="Of an engine; may be repeated. Without one it brings its own."
        ),
    ] = None,
    kind: Annotated[
        Literal["openai", "vllm", "sglang"] | None,
        typer.Option(
            metavar="KIND",
            help="The dialect of priority they speak: openai (none) unless told, vllm, sglang.",
        ),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Who runs first: semantic unless told.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Write all decisions there, for `semsched replay`.")
    ] = None,
) -> None:
    """The gateway: OpenAI's API in front of LLM engines, the urgent first.

    It reads what a request is about, predicts how long its answer will run, and gives each engine
    only what it can run now. What is not said here is in the configuration, which is read again
    when it changes. Needs the extra serve. Ctrl-C lets what is under way finish.

    Examples:

        semsched serve

        semsched serve --backend http://gpu1:8000 --backend http://gpu2:8000

        semsched serve --config gateway.toml --journal decisions.jsonl
    """
    from semsched.cli import gateway

    gateway.serve(gateway.Given(config, host, port, tuple(backend or ()), kind, policy, journal))


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="What `serve --journal` wrote.")],
    trace: Annotated[
        Path | None, typer.Option(help="Write the finished requests as a trace (.jsonl).")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write a row per request (.csv or .parquet).")
    ] = None,
) -> None:
    """Decide a recorded day at the gateway again, and compare: exit code 1 if anything differs.

    The trace goes into the simulator, to see what another policy would have made of that day; the
    rows are like those of `compare --rows`, and go into a report.

    Examples:

        semsched replay decisions.jsonl

        semsched replay decisions.jsonl --trace day.jsonl

        semsched compare --trace day.jsonl

        semsched replay decisions.jsonl --rows day.parquet

        semsched report day.parquet
    """
    with needing("replay", "serve"):
        from semsched.cli import replay as command
    command.show(journal, trace, rows)


@app.command()
def new_key() -> None:
    """Make a key for a client of the gateway: the key once, and the lines for the configuration."""
    with needing("new-key", "serve"):
        from semsched.serve.keys import new_key as make

    key, digest = make()
    typer.echo(f"key (shown once): {key}")
    typer.echo(f'\n[[keys]]\ntenant = "NAME"\nsha256 = "{digest}"\nceiling = "standard"')
