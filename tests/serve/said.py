"""Headers and bodies of all kinds, and what they claim."""

from typing import Any

from hypothesis import strategies as st

from semsched.serve.claims import claim_of
from semsched.web.failure import ApiError, Header

PRIORITY = b"x-request-priority"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [PRIORITY, b"X-Request-Priority", b"x-request-id", b"x-request-deadline-ms", b"connection"]
) | st.binary(min_size=1, max_size=20)
VALUES = st.binary(max_size=20) | st.sampled_from([b"0", b"critical", b"4", b"low", b"1e3", b"9"])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
BODIES = st.dictionaries(
    st.sampled_from(["priority", "service_tier", "metadata"]) | st.text(), JSON, max_size=4
)


def claimed(headers: list[Header], body: dict[str, Any]) -> int | str | None:
    """The claim, or the name of the field that is at fault."""
    try:
        return claim_of(headers, body)
    except ApiError as error:
        refused = error
    assert (refused.status, refused.code) == (400, "invalid_priority")
    return refused.param
