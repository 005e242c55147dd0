"""`semsched engine`: an engine without a GPU that answers over HTTP."""

from semsched.cli.commands import one_line_errors
from semsched.cli.errors import needing
from semsched.cli.listening import curl, listening
from semsched.cli.options import EngineOptions
from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.engine.faults import Faults
from semsched.web.limits import Limits

QUESTION = "Why is the sky blue?"


def engine(options: EngineOptions, scheduling: Scheduling, faults: Faults) -> None:
    """Serve until somebody stops it. Raises Failure for what cannot be used."""
    with needing("engine", "serve"):
        from semsched.engine import embedded_app
        from semsched.web.server import server_of
    with one_line_errors():
        profile = load_profile(options.setting)
    limits = Limits(max_body_bytes=options.max_body_bytes)
    app = embedded_app(
        profile,
        scheduling,
        speed=options.speed,
        seed=options.seed,
        max_num_waiting=options.max_num_waiting,
        limits=limits,
        faults=faults,
    )
    with listening(options.host, options.port) as listener:
        print(curl(listener, QUESTION), flush=True)
        server_of(app, limits, options.grace_time).run(sockets=[listener])
