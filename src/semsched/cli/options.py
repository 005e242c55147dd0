"""What only the command line is told: policies by name, and files to write."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from semsched.policy import POLICIES
from semsched.study.settings import Settings, split_items


class OutputOptions(Settings):
    """Files to write, besides the table on the terminal."""

    json_path: Annotated[Path | None, Field(description="Write the metrics as JSON.")] = None
    rows: Annotated[
        Path | None, Field(description="Write a row per request (.csv or .parquet).")
    ] = None
    series: Annotated[
        Path | None, Field(description="Write the batch and KV over time (.csv or .parquet).")
    ] = None
    trace_file: Annotated[
        Path | None,
        Field(
            description="simulate: write who ran when (.json), for chrome://tracing and Perfetto."
        ),
    ] = None


class PolicyOption(Settings):
    """The policy of `simulate`."""

    policy: Annotated[
        str,
        Field(description=f"One of {', '.join(POLICIES)}, or your own as package.module:name."),
    ] = "semantic"


class PoliciesOption(Settings):
    """The policies of `compare`."""

    policies: Annotated[
        tuple[str, ...],
        BeforeValidator(split_items),
        Field(description="Separated by commas; your own as package.module:name."),
    ] = tuple(POLICIES)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.policies)) < len(self.policies):
            raise ValueError("--policies names a policy twice")
        return self
