"""What only the command line is told: policies by name, files to write, where to listen."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from semsched.engine.defaults import MAX_NUM_WAITING
from semsched.policy import POLICIES
from semsched.study.settings import DEFAULT_PROFILE, Profile, Settings, split_items
from semsched.web.limits import Limits


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


class EngineOptions(Settings):
    """The engine of `semsched engine`, and where it listens."""

    port: Annotated[int, Field(ge=0, le=65535, description="0 takes any free one.")] = 8001
    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    setting: Profile = DEFAULT_PROFILE
    speed: Annotated[float, Field(ge=1e-3, le=1e6, description="Times as fast as the profile.")] = (
        1.0
    )
    seed: Annotated[int, Field(description="Of the answers and their lengths.")] = 0
    max_num_waiting: Annotated[
        int, Field(ge=0, le=1_000_000, description="Requests that may wait; more are refused.")
    ] = MAX_NUM_WAITING
    max_body_bytes: Annotated[
        int, Field(gt=0, description="Size of a request; larger ones are refused.")
    ] = Limits().max_body_bytes
    grace_time: Annotated[
        int, Field(ge=0, description="Seconds to finish what is under way when told to stop.")
    ] = 30


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
