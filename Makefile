# Two commands matter: `make demo` and `make test`. Both set up what they need, once.
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
NODE_IS_NEW = node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 17)) { console.error("Node 20.17 or later is needed, and this is " + process.version + ": README.md"); process.exit(1) }'
# npm of one version, from outside of the folder: those of Debian 13 and Node 20, 22 and 24 misread the overrides of package.json
NPM_CI = (cd / && $(NODE_IS_NEW) && npx --yes npm@11.19.1 ci --prefix "$(CURDIR)" --loglevel=error --no-progress $(1))
# an environment that was left half made, as ensurepip was missing, is made again
VENV = $(PY) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
ARGS ?=
FUZZ_STATE ?= var/contract-fuzz.done

.PHONY: demo setup-demo test lint docs fuzz laws year node-kills push-faults methodology benchmark bench gas artifacts check-artifacts setup clean help container-root release soak

help:           ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

setup: .venv/.ready node_modules/.ready  ## environment and packages for everything, tests and linters too; nothing else
setup-demo: .venv/.demo-ready node_modules/.demo-ready  ## only what the demo runs

.venv/.ready: requirements.txt requirements-dev.txt packaging/release/requirements.txt pyproject.toml
	$(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch .venv/.demo-ready $@

.venv/.demo-ready: requirements.txt pyproject.toml
	$(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

node_modules/.ready: package.json package-lock.json .npmrc
	@$(call NPM_CI)
	touch node_modules/.demo-ready $@

node_modules/.demo-ready: package.json package-lock.json .npmrc
	@test node_modules/.ready -nt package-lock.json || $(call NPM_CI,--omit=dev)
	touch $@

demo: setup-demo  ## the whole line on a local chain: make demo ARGS="--scenario depeg --seconds 60", or ARGS="--operators 5"
	.venv/bin/lrt-oracle demo $(ARGS)

test: setup lint  ## linters, types, layers, all tests
	$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

lint: setup     ## ruff, mypy, import layers, compiled artifacts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	node contracts/build.mjs --check

docs: setup     ## rewrite the generated parts of docs/: keys, schemas, rules, metrics, rooms
	$(PY) -m oracle.config.reference
	$(PY) -m oracle.serve.metric_catalog
	$(PY) -m oracle.start.shipped_feeds
	$(PY) -m lab.rules_table
	$(PY) docs/rooms.py

fuzz: setup     ## long: adapters, contracts and operators' frames under mutated input, the agreement under all schedules
	LRT_ORACLE_FUZZ=$${LRT_ORACLE_FUZZ:-400000} LRT_ORACLE_CONTRACT_FUZZ=$${LRT_ORACLE_CONTRACT_FUZZ:-1000000} \
	LRT_ORACLE_CONTRACT_STATEFUL=$${LRT_ORACLE_CONTRACT_STATEFUL:-20000} LRT_ORACLE_CONTRACT_HONEST=$${LRT_ORACLE_CONTRACT_HONEST:-2000} \
	LRT_ORACLE_STAKE_FUZZ=$${LRT_ORACLE_STAKE_FUZZ:-1000000} LRT_ORACLE_STORY_ACTS=$${LRT_ORACLE_STORY_ACTS:-5000} \
	LRT_ORACLE_FRAME_FUZZ=$${LRT_ORACLE_FRAME_FUZZ:-1000000} LRT_ORACLE_PENALTY_STEPS=$${LRT_ORACLE_PENALTY_STEPS:-20000} LRT_ORACLE_WATCH_SCHEDULES=$${LRT_ORACLE_WATCH_SCHEDULES:-20000} \
	LRT_ORACLE_AGREE_SCHEDULES=$${LRT_ORACLE_AGREE_SCHEDULES:-100000} LRT_ORACLE_AGREE_SEARCH=$${LRT_ORACLE_AGREE_SEARCH:-all} \
	LRT_ORACLE_CONTRACT_FUZZ_STATE=$(FUZZ_STATE) $(PY) -m pytest -m fuzz -n 2 $(ARGS)

laws: setup     ## long: every law of the core with 10,000 examples
	LRT_ORACLE_EXAMPLES=$${LRT_ORACLE_EXAMPLES:-10000} $(PY) -m pytest tests/oracle tests/feeds -k "$(or $(LAWS),law or rule or method or aggregate or decode or memory or units)" -n 2 $(ARGS)

year: setup     ## long: a year of storage by a clock that jumps, with a round a minute
	LRT_ORACLE_YEAR_ROUNDS=$${LRT_ORACLE_YEAR_ROUNDS:-1440} $(PY) -m pytest tests/oracle/storage/test_a_year.py $(ARGS)

soak: setup     ## long: the shipped config with a round a second against stand-ins for an hour (ARGS="--seconds 600"), figures in var/soak.json
	$(PY) -m tests.soak.run $(ARGS)

node-kills: setup  ## long: an oracle, NATS and a node, each killed at 20 random moments: nothing missing, twice or unproven
	LRT_ORACLE_TEST_NODE_KILLS=$${LRT_ORACLE_TEST_NODE_KILLS:-20} $(PY) -m pytest tests/e2e/test_nodes.py -n0 -s $(ARGS)

push-faults: setup  ## long: 500 seeded runs of the pusher under faults; goes on where it stopped
	LRT_ORACLE_PUSH_RUNS=$${LRT_ORACLE_PUSH_RUNS:-500} LRT_ORACLE_PUSH_DONE=var/push-faults.done $(PY) -m pytest tests/oracle/push/test_faults.py -n 2 $(ARGS)

methodology: setup  ## tables and pictures of docs/methodology.md: DATA=folder of recorded series
	$(PY) -m lab.methodology $(if $(DATA),--data $(DATA)) $(ARGS)

benchmark: setup    ## the tables of docs/benchmark.md: every design through the files and the scorer; DATA=folder of recorded series
	$(PY) -m lab.benchmark.page $(if $(DATA),--data $(DATA)) $(ARGS)

bench: setup    ## every benchmark, one after the other
	for what in chain latency aggregate api gas; do .venv/bin/lrt-oracle bench $$what --json || exit 1; done

gas: setup      ## rewrite contracts/gas.json from what pushes and reads cost now; its tables are in docs/contracts.md
	$(PY) -m demo.bench.gas --write

artifacts: setup  ## compile the contracts
	node contracts/build.mjs

container-root: setup  ## long, as root: the image's steps in bare Debian roots, without an engine: ROOTS=folder
	LRT_ORACLE_BARE_ROOT=$${ROOTS:-var/container-root} $(PY) -m pytest -n0 -rs tests/packaging/test_container.py

release: setup  ## wheel and sdist into dist/, built twice and compared
	$(PY) packaging/release/build.py dist --twice

clean:          ## everything that setup made
	rm -rf .venv node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
