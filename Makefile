# make demo   tune a real training script, about 3 minutes on 2 cores (resumes if interrupted)
# make test   the tests              make check  style, types, layers
# make test-long     the tests that take long, of faults, of the reproductions, and on a real Slurm, about 8 minutes
# make coverage      make test and make test-no-jit, watched: they reach 90 % of dsice/ or more
# make test-engines  Futures on dask, ray, MPI and loky, about 2 minutes and 300 MB more in .venv
# make docs   the site: build/docs/html/index.html, works without a network
# make bench  the measurements       make clean  remove what the others left, but for .venv
# make test-faults    coordinators killed, journals cut, trials that misbehave, at length: about 30 minutes on 2 free cores, a table at the end
# make bench-launch   how fast and how safely trials are launched; needs Slurm for its part (apt-get install slurm-wlm munge)
# make bench-report   the report beside its bars, in Chromium (apt-get install chromium chromium-driver)
# make bench-kernel-tuner CACHES=FOLDER  the search beside the strategies of Kernel Tuner, on cache files or tables
# make bench-quality  the search beside other optimisers on tables of real trainings, 20 to 30 minutes on 2 cores
#
# Needs make, Python >= 3.11 with venv, and the package index. Everything is installed into .venv.
# Another Python: make demo PYTHON=/path/to/python3.12

CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(RECENT)' 2>/dev/null && echo $$p && break; done)
JOBS ?= 2
TESTERS ?= 3  # on 2 cores: many tests wait
SHORT := not long and not literature
VENV := .venv
BIN := $(VENV)/bin
TESTS :=  # of make test: which, or options of pytest
WATCHED :=  # not empty: coverage notes what is reached
LOWEST := $(addprefix tests/,space history tuner insight plots integrations test_goal.py test_public.py cli/test_main.py)  # of make test-lowest
UNWATCHED := spline golden house benchmarks
# tests start hundreds of processes: where bytecode is switched off, each of them would compile what it imports
export PYTHONDONTWRITEBYTECODE :=
PYTEST = $(BIN)/$(if $(WATCHED),coverage run -m,python -m) pytest

.PHONY: help demo test test-long test-engines test-faults test-no-jit test-lowest test-extras test-recipes package coverage check docs bench bench-search bench-spline bench-published bench-launch bench-quality bench-journal bench-report bench-kernel-tuner bench-reuse literature clean
help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -14

demo: $(VENV)/.demo-installed
	@$(BIN)/python examples/digits/tune.py

test: $(VENV)/.dev-installed
	$(PYTEST) -n $(TESTERS) --dist worksteal -m "$(SHORT)" $(TESTS)

test-long: $(VENV)/.dev-installed  # what `test` leaves out, and all that needs a real Slurm (apt-get install slurm-wlm munge), about 8 minutes
	$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal -m "not ($(SHORT))"

test-engines: $(VENV)/.engines-installed  # one process: several rays at a time are slow to start
	DSICE_NEEDS_ENGINES=1 $(BIN)/python -m pytest tests/launchers/test_contract.py tests/launchers/futures/test_futures.py tests/examples/test_examples.py

test-no-jit: $(VENV)/.dev-installed  # the kernels as plain Python, about 1 minute
	NUMBA_DISABLE_JIT=1 $(PYTEST) -n $(JOBS) tests/spline

package: $(VENV)/.packaging-installed  # wheel and sdist: built, looked at, used outside the checkout on every Python at hand, their types checked
	$(BIN)/python -m tests.packaging.package

test-lowest: $(VENV)/.packaging-installed  # what stands on numpy, scipy, numba, pandas, matplotlib and the integrations, with the lowest versions allowed
	$(BIN)/python -m tests.packaging.lowest -n $(JOBS) --dist worksteal -m "$(SHORT)" $(LOWEST)

test-extras: $(VENV)/.packaging-installed  # every extra resolves, on the oldest and the newest Python; those of the integrations do what their pages and examples show
	$(BIN)/python -m tests.packaging.extras
	$(BIN)/python -m tests.packaging.examples

test-recipes: $(VENV)/.packaging-installed  # the recipes for Ray, Hydra, transformers, W&B and Lightning, each in its own environment, 6 GB, about 10 minutes
	$(BIN)/python -m tests.packaging.recipes

# all of make test, and how much of dsice/ it reaches, child processes included; compiled kernels are not seen, so their
# tests run without the compiler, too. What reaches little that the others do not is not watched, for that takes long
coverage: $(VENV)/.dev-installed
	rm -f .coverage .coverage.*
	$(MAKE) test-no-jit WATCHED=yes
	$(MAKE) test TESTS="$(addprefix tests/,$(UNWATCHED))"
	$(MAKE) test WATCHED=yes TESTS="$(patsubst %,--ignore tests/%,$(UNWATCHED))"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# the fault bench in full (its short form is part of `test-long`): real processes, real kills, about 30 minutes on 2 free cores;
# DSICE_FUZZ_MINUTES=10 make test-faults fuzzes for 10 minutes instead of 3
test-faults: $(VENV)/.dev-installed
	@echo "the fault bench takes about 30 minutes on 2 free cores; its figures come in a table at the end"
	DSICE_FAULTS=full $(BIN)/python -m pytest tests/faults -n $(JOBS) --dist worksteal --timeout 1800 --durations 10

check: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.house.circles

docs: $(VENV)/.dev-installed  # under 90 s; a warning fails it
	$(BIN)/python -m docs.site.stage build/docs/source
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/site build/docs/source build/docs/html
	@echo "build/docs/html/index.html"

bench: bench-search bench-spline bench-published

bench-search: $(VENV)/.bench-installed  # rounds to the best of our measured table beside random search, 10 seeds, 20 s
	@$(BIN)/dsice replay benchmarks/digits/digits_5x5x5x5x5.csv.gz --objective loss --batch 40 --seeds 10

bench-spline: $(VENV)/.bench-installed  # the d-spline beside other libraries, 3 to 6 minutes
	@$(BIN)/python benchmarks/spline/run.py

bench-published: $(VENV)/.bench-installed  # the published algorithms beside the default, under a minute
	@$(BIN)/python benchmarks/published.py

bench-journal: $(VENV)/.bench-installed  # a journal of 100 000 trials: to open, ask, tell, in memory and on the disk, 2 minutes
	@$(BIN)/python -m benchmarks.journal.run

bench-report: $(VENV)/.dev-installed  # the report: its size, how soon it is made, ready and answering; 3 minutes
	@$(BIN)/python -m benchmarks.report.run

bench-launch: $(VENV)/.engines-installed  # the launchers beside their bars, 5 minutes
	@$(BIN)/python -m benchmarks.launch.run

bench-kernel-tuner: $(VENV)/.dev-installed  # CACHES: a folder of cache files of whole search spaces, or of tables
	@$(BIN)/python -m benchmarks.kernel_tuner.run $(CACHES)

bench-reuse: $(VENV)/.bench-installed  # what a log of a related task is worth, 12 data sets, 5 minutes
	@$(BIN)/python -m benchmarks.reuse.run --jobs $(JOBS)

# the published experiments in small, each a command of its own: make literature-batch_size, literature-pedestrian,
# literature-super_resolution, literature-time_penalty, literature-mnist; QUICK=--quick for the short form
literature: literature-batch_size literature-pedestrian literature-super_resolution literature-time_penalty literature-mnist
literature-%: $(VENV)/.literature-installed
	@$(BIN)/python -m benchmarks.literature.$* $(QUICK)
literature-mnist: $(VENV)/.dev-installed  # it needs no torch
	@$(BIN)/python -m benchmarks.literature.mnist $(QUICK)

# apart from `bench`: dsice, Optuna, scikit-optimize and hill climbing on tables of real trainings, 20 to 30 minutes on 2 cores;
# Optuna's Gaussian process runs too where torch is installed (pip install 'dsice[bench-gp]')
bench-quality: $(VENV)/.bench-installed
	$(BIN)/python -m benchmarks.quality.run --jobs $(JOBS)

# ------------------------------------------------------------------ the environment
EXTRAS-demo := demo
EXTRAS-dev := dev,demo,docs
EXTRAS-bench := bench,demo
EXTRAS-literature := dev,demo,optuna,literature
EXTRAS-engines := dev,demo,engines
EXTRAS-packaging := dev,demo,packaging

.PRECIOUS: $(VENV)/.%-installed
$(VENV)/.%-installed: pyproject.toml | $(BIN)/python
	@echo "installing dsice[$(EXTRAS-$*)] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[$(EXTRAS-$*)]'
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "dsice needs Python 3.11 or newer (python3 is $$(python3 --version 2>&1)): \
	install one, or give its path: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c '$(RECENT)' || { echo "dsice needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -f $@; \
	echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

clean:
	rm -rf demo build dist benchmarks/quality/results *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
