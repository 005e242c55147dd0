"""A real vLLM: a process on loopback with a model of random weights, made here of three files.

It is large, so it has an environment of its own (`make check-vllm` makes one): VLLM names its
Python.
"""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.serve.process import free_port

VLLM = os.environ.get("VLLM")
MODEL = "tiny"
SEATS = 2
"""Requests that it runs at once."""
CONTEXT = 4096
"""Tokens of a prompt and its answer."""

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
RESPONSES = "/v1/responses"

SAME = {"model": MODEL, "seed": 7, "ignore_eos": True}
"""The same answer each time."""

PATIENCE = 180.0
"""Seconds; its imports alone take half a minute where the disk is slow."""

_SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]

_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 5,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 96,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}
"""Large enough that a step takes 20 ms: a smaller one spins so fast that the API server starves."""

_NO_BLANKS = json.dumps({"backend": "xgrammar", "disable_any_whitespace": True})
"""Between the parts of JSON; random weights would write nothing else."""

_CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def _byte_letters() -> list[str]:
    """The letters by which byte-level tokenizers write the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def _tokenizer() -> dict[str, Any]:
    """Each byte is a token."""
    words = [*_SPECIAL, *_byte_letters()]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": word, "special": True, **flags}
            for id, word in enumerate(_SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {**level, "use_regex": True},
        "post_processor": None,
        "decoder": {**level, "use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {word: id for id, word in enumerate(words)},
            "merges": [],
            "unk_token": "<unk>",
        },
    }


def write_model(folder: Path) -> None:
    """A model without weights: vLLM draws them itself."""
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), _SPECIAL, strict=True)),
        "chat_template": _CHAT,
        "model_max_length": CONTEXT,
    }
    for name, content in (
        ("config.json", _CONFIG),
        ("tokenizer.json", _tokenizer()),
        ("tokenizer_config.json", tokens),
    ):
        (folder / name).write_text(json.dumps(content))


@contextmanager
def vllm(folder: Path) -> Iterator[str]:
    """Its address, once it is up; what it says is in the file `vllm.log` of the folder."""
    assert VLLM is not None
    write_model(folder)
    port = free_port()
    options = {
        "model": folder,
        "served-model-name": MODEL,
        "load-format": "dummy",
        "max-num-seqs": SEATS,
        "max-model-len": CONTEXT,
        "scheduling-policy": "priority",
        "structured-outputs-config": _NO_BLANKS,
        "host": "127.0.0.1",
        "port": port,
    }
    command = [VLLM, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    log = folder / "vllm.log"
    with (
        log.open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=_environment()) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(process, f"{url}/health", log)
            yield url
        finally:
            process.terminate()


def _environment() -> dict[str, str]:
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"), "1")
    return {**os.environ, **offline, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http, ours
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text("utf-8", "replace")[-4000:])


# --- what it is asked, and said ------------------------------------------------------------------


def ask(text: str, tokens: int, **more: Any) -> dict[str, Any]:
    """A chat completion of so many tokens, always the same."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, **SAME, **more}


async def said(http: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, str]:
    """Status and text of an answer, but for what is new each time."""
    async with http.post(path, json=body) as answer:
        text = await answer.text()
    text = re.sub(r'"(id|item_id)":"[^"]*"', r'"\1":"-"', text)
    return answer.status, re.sub(
        r'"(created|created_at|completed_at)":\d+(\.\d+)?', r'"\1":0', text
    )


ANSWERED = [
    (CHAT, ask("hello", 5)),
    (CHAT, ask("hello", 5, stream=True)),
    (CHAT, ask("hello", 5, stream=True, stream_options={"include_usage": True})),
    (COMPLETIONS, {**SAME, "prompt": "Once", "max_tokens": 5}),
    (COMPLETIONS, {**SAME, "prompt": [5, 6, 7], "max_tokens": 5, "stream": True}),
    (RESPONSES, {**SAME, "input": "hello", "max_output_tokens": 5}),
]
"""Paths and bodies."""
