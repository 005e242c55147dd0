# Every target does its own set-up: python3, venv and make are all it needs.
PY := .venv/bin/python
CODE := src tests bench tools

.PHONY: setup demo test lint bench clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(PY) -m semsched compare --user-request-gap 0.01 --max-concurrent-user-requests 50
	$(PY) -m semsched compare --trace clinic

test: setup
	$(PY) -m pytest

lint: setup
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m mypy

bench: setup
	$(PY) bench/simulator.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
