# The two commands of the README are `make demo` and `make test`; each does all of its own set-up.
#
#   make demo       train the inverted pendulum's controller, prove it, write certificate and report
#   make test       every test
#   make lint       style and types
#   make bench      the tables of benchmarks/results/
#   make reproduce  the paper's tables and figures beside ours: benchmarks/results/reproduction/
#   make clean      remove what the others built, and the virtual environment; runs/ stays
#
# Another interpreter: make test PYTHON=python3.12. More or fewer test processes: TEST_JOBS=4.

PYTHON ?= python3
TEST_JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt
INSTALL := $(PIP) --editable

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench reproduce clean

help:
	@sed -n 's/^#   //p' Makefile

# Never into a folder that is there already: the first free one of runs/pendulum, -2, -3, …
demo: $(VENV)/.ready-demo
	@out=runs/pendulum; n=2; \
	while [ -e "$$out" ]; do out=runs/pendulum-$$n; n=$$((n + 1)); done; \
	mkdir -p runs; \
	echo "stableproof run pendulum --learner elm-pi --out $$out"; \
	$(BIN)/stableproof run pendulum --learner elm-pi --out "$$out"

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile tests

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready-test
	$(BIN)/python -m benchmarks

# After a run that was cut off: make reproduce ARGS=--resume
reproduce: $(VENV)/.ready-test
	$(BIN)/python -m benchmarks.reproduce $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The stamps make a second run quick; a change of the declared dependencies renews them.
$(VENV)/.ready-demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing stableproof[report] into $(VENV)"
	@$(INSTALL) ".[report]"
	@touch $@

$(VENV)/.ready-test: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing stableproof[train,rl,nmpc,report,onnx,smt,dreal,lirpa,dev] and auto-LiRPA into $(VENV)"
	@$(INSTALL) ".[train,rl,nmpc,report,onnx,smt,dreal,lirpa,dev]"
	@$(PIP) --no-deps auto-LiRPA
	@touch $@

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "stableproof: no '$(PYTHON)' found: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "stableproof: $$($(PYTHON) --version) is too old: install Python 3.11 or newer," \
			"or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
		echo "stableproof: '$(PYTHON)' cannot make virtual environments:" \
			"install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@
