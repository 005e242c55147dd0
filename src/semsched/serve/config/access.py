"""Who may ask for what: keys, those without one, and the administrator."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from semsched.core.scheduling import MANY
from semsched.predict.urgency.rules import Urgency
from semsched.serve.config.values import Hash, Name, Table


class Key(Table):
    """What whoever holds a key is granted. Keys of one tenant share its weight and its limits."""

    tenant: Annotated[Name, Field(description="Whom it belongs to.")]
    ceiling: Annotated[
        Urgency, Field(description="The most urgent class that it may reach, by name or number.")
    ] = 2
    above_ceiling: Annotated[
        Literal["clamp", "refuse"],
        Field(description="What becomes of a claim above: lowered to the ceiling, or refused."),
    ] = "clamp"
    weight: Annotated[
        FiniteFloat,
        Field(ge=1e-3, le=1e3, description="Share of the tenant among those who wait."),
    ] = 1.0
    max_waiting: Annotated[
        int,
        Field(gt=0, le=MANY, description="Requests of the tenant that may wait; more are refused."),
    ] = MANY
    requests_per_minute: Annotated[
        Annotated[int, Field(gt=0, le=1_000_000)] | None,
        Field(description="Requests of the tenant in a minute, which may come all at once."),
    ] = None


class ListedKey(Key):
    """A key, known by its hash."""

    sha256: Annotated[
        Hash, Field(repr=False, description="The SHA-256 of the key, in hexadecimal.")
    ]

    @property
    def granted(self) -> Key:
        """What it grants, without the hash."""
        return Key(**self.model_dump(exclude={"sha256"}))


class Anonymous(Key):
    """What everybody is granted where no keys are listed."""

    tenant: Annotated[Name, Field(description="What to call them all.")] = "anonymous"
    ceiling: Annotated[Urgency, Field(description="The most urgent class that they may reach.")] = 0


class Admin(Table):
    """Who may see and steer everything."""

    sha256: Annotated[
        Hash | None,
        Field(
            repr=False,
            description="The SHA-256 of the key to the admin pages; without one they answer "
            "programs on the same machine only, and nobody where [[keys]] are listed.",
        ),
    ] = None
