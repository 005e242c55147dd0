"""aiperf, NVIDIA's load generator, before a live gateway: each request with its own priority.

It brings a hundred packages, so it has an environment of its own: AIPERF names its command, unless
it is on the PATH.
"""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest

from tests.serve.live import Live, live

AIPERF = os.environ.get("AIPERF") or shutil.which("aiperf")
NUM_REQUESTS = 40

TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}
"""One that knows no word: the engine counts, but aiperf wants one, and none from the network."""

OPTIONS = [
    *("--model", "any", "--endpoint-type", "chat", "--streaming"),
    *("--input-file", "in.jsonl", "--custom-dataset-type", "single_turn"),
    *("--tokenizer", "tokenizer", "--use-server-token-count"),
    *("--concurrency", "20", "--request-count", str(NUM_REQUESTS)),
    *("--extra-inputs", "max_tokens:4", "--extra-inputs", "ignore_eos:true"),
    *("--output-artifact-dir", "out", "--ui", "none", "--no-server-metrics", "--no-gpu-telemetry"),
]


def prepare(folder: Path) -> None:
    """What aiperf reads: requests of class 0 and 4 in turn, and the tokenizer."""
    lines = [
        json.dumps({"text": f"request {i}", "extra": {"priority": 4 * (i % 2)}})
        for i in range(NUM_REQUESTS)
    ]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(kind))


@pytest.mark.skipif(AIPERF is None, reason="aiperf is not installed")
def test_its_priorities_arrive_and_its_figures_are_ours(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def scene(there: Live) -> None:
        command = [str(AIPERF), "profile", "--url", there.url, *OPTIONS]
        run = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=PIPE, stderr=STDOUT
        )
        said, _ = await run.communicate()
        assert run.returncode == 0, said.decode()
        books = there.gateway.service.records.books
        assert books.ended["finished"] == [NUM_REQUESTS // 2, 0, 0, 0, NUM_REQUESTS // 2]

    live(scene, {"engine": {"speed": 2.0, "max_num_seqs": 1, "preemption": "off"}})
    figures = json.loads((tmp_path / "out" / "profile_export_aiperf.json").read_text())
    assert figures["request_count"]["avg"] == NUM_REQUESTS
    assert figures["output_sequence_length"]["avg"] == 4
    waits = figures["time_to_first_token"]
    assert waits["p90"] > 2 * waits["p25"], "the urgent did not wait for the others"
