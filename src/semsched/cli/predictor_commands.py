"""The command line of the predictors: `predict`, and how good they are; part of `cli/app.py`.

Heavy imports happen inside the commands, so that help is instant.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

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
