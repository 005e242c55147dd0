"""Throughput: what one gateway process bears, beside LiteLLM's proxy on the same backend."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any
from zlib import crc32

from .figures import Figure, Lab, note
from .flood import Poured, flood, request_of
from .load import chat
from .processes import Server, free_port, gateway, server, stub

NUM_CONNECTIONS = 64
NUM_PROMPTS = 20_000
"""Distinct prompts; no cache of ours or theirs knows the next one."""

SECONDS = 5.0
NUM_ROUNDS = 3

NUM_STREAMS = 300
STREAM_EVENTS = 200
STREAM_GAP = 0.006
"""Seconds between two events: more in all than one process can pass on."""

LITELLM = (
    Path.home() / ".cache" / "semsched-bench" / f"litellm-{crc32(sys.base_prefix.encode()):08x}"
)
"""Its environment, of the same Python as ours: builds of one version differ by a quarter."""

LITELLM_CONFIG = """
model_list:
  - model_name: any
    litellm_params: {{model: openai/any, api_base: "{url}/v1", api_key: none, timeout: 60}}
litellm_settings: {{num_retries: 0, telemetry: false, set_verbose: false}}
general_settings: {{disable_spend_logs: true, disable_error_logs: true}}
"""


async def throughput(lab: Lab) -> AsyncIterator[Figure]:
    """Requests per second, events per second, and how LiteLLM does in the same minutes."""
    async with stub(lab) as backend, gateway(lab, config_for(backend)) as front:
        async with AsyncExitStack() as stack:
            other = await _litellm_there(lab, stack, backend)
            ours, theirs, claimed = await _compared(front, other)
        yield Figure("requests_per_second", median(ours), "requests/s", ">= 1500")
        yield Figure("requests_per_second_claimed", median(claimed), "requests/s")
        direct = await flood(backend.url, prompts(stream=False), NUM_CONNECTIONS, SECONDS)
        yield Figure("requests_per_second_no_gateway", rate(direct), "requests/s")
        if theirs:
            yield Figure("litellm_requests_per_second", median(theirs), "requests/s")
            yield Figure("litellm_ratio", median(ours) / median(theirs), "ratio", ">= 5")
        async for figure in _events(front):
            yield figure


def config_for(backend: Server) -> dict[str, object]:
    """Seats enough that the queue is never what holds requests up."""
    return {"backends": [{"url": backend.url, "seats": 4096}]}


def prompts(headers: str = "", **more: Any) -> list[bytes]:
    """Requests as they go over the wire, of about a dozen words each."""
    return [
        request_of(
            chat(f"Question {i}: what is {i} times {i + 7}, in words?", **more), headers=headers
        )
        for i in range(NUM_PROMPTS)
    ]


def rate(poured: Poured) -> float:
    """Requests per second."""
    return poured.num_answers / poured.seconds


async def _compared(
    front: Server, other: Server | None
) -> tuple[list[float], list[float], list[float]]:
    """Requests/s of ours, of theirs, and of ours where the client says the class; in turns."""
    asked = prompts(stream=False)
    claiming = prompts("x-request-priority: 2\r\n", stream=False)
    ours, theirs, claimed = [], [], []
    await flood(front.url, asked, NUM_CONNECTIONS, 1.0)
    for _ in range(NUM_ROUNDS):
        ours.append(await _rate(front, asked, "ours"))
        claimed.append(await _rate(front, claiming, "ours, class claimed"))
        if other:
            theirs.append(await _rate(other, asked, "LiteLLM"))
    return ours, theirs, claimed


async def _rate(there: Server, asked: list[bytes], name: str) -> float:
    before = there.cpu_s()
    poured = await flood(there.url, asked, NUM_CONNECTIONS, SECONDS)
    busy = (there.cpu_s() - before) / poured.seconds
    note(f"{name}: {rate(poured):.0f} requests/s, {busy:.2f} cores, {poured.num_errors} errors")
    if poured.num_errors:
        raise RuntimeError(f"{name}: {poured.num_errors} errors, see {there.log}")
    return rate(poured)


async def _events(front: Server) -> AsyncIterator[Figure]:
    """Events of streams, as many as get through."""
    wanted = {"events": STREAM_EVENTS, "gap": STREAM_GAP}
    asked = prompts("x-request-priority: 2\r\n", stub=wanted)[:2000]
    before = front.cpu_s()
    poured = await flood(front.url, asked, NUM_STREAMS, 2 * SECONDS)
    busy = (front.cpu_s() - before) / poured.seconds
    note(
        f"{NUM_STREAMS} streams of {1 / STREAM_GAP:.0f} events/s each: {busy:.2f} cores, "
        f"{poured.num_events / max(poured.num_reads, 1):.1f} events in a read"
    )
    per_second = poured.num_events / poured.seconds
    yield Figure("sse_chunks_per_second", per_second, "events/s", ">= 30000")


# --- LiteLLM -------------------------------------------------------------------------------------


async def _litellm_there(lab: Lab, stack: AsyncExitStack, backend: Server) -> Server | None:
    command = _installed()
    if command is None:
        note("LiteLLM cannot be installed: no litellm_ratio")
        return None
    return await stack.enter_async_context(_litellm(lab, command, backend))


def _installed() -> Path | None:
    """Its command; installed, if it is not there, in an environment of its own."""
    command = LITELLM / "bin" / "litellm"
    if not command.exists():
        note(f"installing LiteLLM in {LITELLM}")
        python = LITELLM / "bin" / "python"
        made = subprocess.run([sys.executable, "-m", "venv", str(LITELLM)], check=False)  # noqa: S603
        if made.returncode == 0:
            pip = [str(python), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
            subprocess.run(pip, check=False)  # noqa: S603
    return command if command.exists() else None


@asynccontextmanager
async def _litellm(lab: Lab, command: Path, backend: Server) -> AsyncIterator[Server]:
    """Its proxy as its manual wants it for production: one worker, no database, few words."""
    path = lab.folder / "litellm.yaml"
    path.write_text(LITELLM_CONFIG.format(url=backend.url), "utf-8")
    port = free_port()
    told = ["--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # ours wants none either
        "NO_PROXY": "*",
        "PATH": f"{command.parent}:{os.environ['PATH']}",
    }
    ready = "/health/liveliness"
    async with server(
        lab, [str(command), *told, "--num_workers", "1"], port, ready, environment
    ) as there:
        yield there
