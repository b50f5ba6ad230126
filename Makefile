# demo: the main job on real data · test: all tests but the long ones · check: format, lint, imports, types
# bench-convert: real models, converted: what every variant costs
# test-arm: the C core on emulated Arm, and its size · bench: figures against their goals · clean: what was built.
# Each sets up .venv first.
PYTHON := .venv/bin/python
C_FILES := $(wildcard c_ext/include/ferrule/*.h c_ext/src/*.[ch] c_ext/host/*.[ch] c_ext/tests/*.[ch] c_ext/tests/arm/*.c \
	c_ext/bench/*.c)

.PHONY: demo test test-long test-arm check bench bench-convert setup test-tools arm-tools format lock clean

demo: setup
	.venv/bin/ferrule demo -o build/demo

test: setup test-tools
	$(PYTHON) -m pytest

test-long: setup test-tools
	$(PYTHON) -m pytest -m "not arm"

test-arm: setup arm-tools
	$(PYTHON) -m pytest -m arm

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/clang-format --dry-run -Werror $(C_FILES)
	.venv/bin/lint-imports
	.venv/bin/mypy

bench: setup
	.ci/bench-tools xdelta3 zstd valgrind
	$(PYTHON) -m pip install --quiet --require-hashes -r locks/bench.txt
	$(PYTHON) -m pytest --quiet tests/benchmarks
	$(PYTHON) -m tests.benchmarks -o build/bench $(OPTIONS)

bench-convert: setup
	.ci/bench-tools espeak-ng
	$(PYTHON) -m tests.benchmarks.conversion -o build/bench-convert $(OPTIONS)

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	.venv/bin/clang-format -i $(C_FILES)

setup:
	./bootstrap.sh

test-tools:
	.ci/test-tools

arm-tools:
	.ci/arm-tools

# Needs uv (pip install uv). Hashes, and no index's address.
lock:
	uv pip compile pyproject.toml --extra demo --extra host --extra device --extra mqtt --extra hil --group dev \
		--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraints locks/constraints.txt --output-file locks/development.txt
	uv pip compile --group bench \
		--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraints locks/development.txt --output-file locks/bench.txt
	uv pip compile --group models --no-deps \
		--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraints locks/development.txt --output-file locks/models.txt

clean:
	rm -rf build dist .venv *.egg-info device/_native* toolkit/_native* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
