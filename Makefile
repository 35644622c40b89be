.PHONY: help up down dev test soak check bench lock clean screenshots

help: ## this list
	@awk -F': ## ' '/^[a-z]+: ##/ { printf "make %-11s %s\n", $$1, $$2 }' Makefile

up: ## set up what is missing, start the whole stack, print its addresses
	@scripts/up.sh

down: ## stop the stack and remove its instances, networks, volumes and data
	@scripts/down.sh

dev: ## the orchestrator on this machine, reloading, beside a Traefik of its own
	@scripts/dev.sh

test: ## set up what is missing, run all tests
	@scripts/test.sh

soak: ## the tests of faults in their long form, and half an hour at full rate (MINUTES=30)
	@scripts/soak.sh

check: ## formatters, linters, types
	@scripts/check.sh

bench: ## the benchmarks, each beside its reference
	@scripts/bench.sh

lock: ## pin all dependencies anew in constraints.txt
	@scripts/lock.sh

clean: ## `make down`, then remove .venv and all that was made here except .env
	@scripts/clean.sh

screenshots: ## pictures of every page, into docs/screenshots/
	@scripts/screenshots.sh
