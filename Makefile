# Everything a newcomer needs: `make test` and `make demo` work in a fresh clone with nothing but Python 3.11 or newer.
PY := .venv/bin/python
READY := .venv/.installed
CORPUS := ../shared/corpus
ARGS :=

.PHONY: help demo test lint types bench docs reference corpus soak peers clean screenshots

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## */\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

demo: $(READY)  ## record a workflow of the sample application, replay it, break the application, see it caught
	@$(PY) examples/demo.py $(ARGS)

test: $(READY)  ## ruff, mypy and the tests (ARGS="-k redis" for some of them), each whatever the one before said
	@status=0; \
	$(PY) -m ruff check . || status=$$?; \
	$(PY) -m mypy || status=$$?; \
	$(PY) -m pytest -n 2 $(ARGS) || status=$$?; \
	exit $$status

lint: $(READY)  ## ruff
	@$(PY) -m ruff check .

types: $(READY)  ## mypy --strict over the four packages
	@$(PY) -m mypy

bench: $(READY)  ## every benchmark, one after the other (fails when one misses its limit)
	@status=0; for bench in benchmarks/[!_]*.py; do echo "== $$bench"; $(PY) "$$bench" $(ARGS) || status=$$?; done; exit $$status

docs: reference  ## the documentation site, into site/ (strict: a link that leads nowhere fails it)
	@NO_MKDOCS_2_WARNING=true $(PY) -m mkdocs build --quiet --strict --clean $(ARGS)
	@echo "site/index.html"

reference: $(READY)  ## write the generated pages and the schema from the code
	@$(PY) scripts/docs.py $(ARGS)

screenshots: $(READY)  ## make the pictures of the service's pages anew (needs Chromium)
	@$(PY) scripts/screenshots.py $(ARGS)

corpus: $(READY)  ## score the engine over the practice corpus at CORPUS (ARGS: names of applications)
	@$(PY) scripts/corpus.py $(CORPUS) $(ARGS)

soak: $(READY)  ## record and replay under load for a long time, with processes killed on the way
	@$(PY) scripts/soak.py $(ARGS)
	@$(PY) scripts/soak_redis.py
	@$(PY) scripts/soak_redis_killed.py

peers: $(READY)  ## other frameworks' own tests with the recorder around every application (from the package index)
	@$(PY) scripts/peers.py $(ARGS)

clean:  ## remove what the other targets made, .venv included
	rm -rf .venv .venv.lock build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml scripts/install
	@scripts/install
