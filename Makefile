# Everything that a newcomer, a developer or a machine runs. Packages go into .venv and nowhere else.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
THREADS ?= 1
MINUTES ?= 10
export PYTHON

.PHONY: help demo test check lint types wheel docs bugs claims bench reliability clean
help:
	@echo "make demo         train the lecture's PSD on photographs: diagram, filters, claims with verdicts"
	@echo "make test         the default tests"
	@echo "make check        tests, linter, types, and the wheel tried outside of this folder"
	@echo "make docs         build the documentation as a site, with its gallery, in build/site"
	@echo "make bugs         apply each deliberate bug of tests/bugs and require that a test fails"
	@echo "make claims       check what specs claim where something changed, for MINUTES (10); renews docs/claims.md"
	@echo "make bench        every benchmark, by models and by peers at equal quality, hours; one: make bench BENCHMARKS=kmeans_pca"
	@echo "make reliability  the long versions of kill, corruption and fuzz tests"
	@echo "make clean        remove .venv and what tools left"

demo:
	@tools/environment.sh data
	@$(BIN)/factorgraph train psd

test:
	@tools/environment.sh dev
	@OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -n 2 -m "not slow"

check: test lint types wheel

lint:
	@tools/environment.sh dev
	@$(BIN)/ruff check .

types:
	@tools/environment.sh dev
	@$(BIN)/mypy

wheel:
	@tools/environment.sh dev
	@$(BIN)/python tools/try_wheel.py

docs:
	@tools/environment.sh dev
	@$(BIN)/python tools/site.py

bugs:
	@tools/environment.sh dev
	@OMP_NUM_THREADS=$(THREADS) $(BIN)/python tools/bugs.py

claims:
	@tools/environment.sh dev
	@OMP_NUM_THREADS=$(THREADS) $(BIN)/python tools/claims.py --minutes $(MINUTES)

BENCHMARKS ?= lasso_codes group_codes dictionary_learning convolutional_codes kmeans_pca infer_cost training_step codes_from_disk gpu_fista gpu_steps

bench:
	@tools/environment.sh bench
	@for each in $(BENCHMARKS); do \
	  echo; echo "== $$each"; OMP_NUM_THREADS=$(THREADS) $(BIN)/python -W ignore -m benchmarks.$$each || exit 1; \
	done

reliability:
	@tools/environment.sh dev
	@OMP_NUM_THREADS=$(THREADS) FACTORGRAPH_FUZZ=20000 FACTORGRAPH_KILLS=1000 $(BIN)/python -m pytest tests/reliability tests/spec -m ""

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis dist build
