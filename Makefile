# make demo    install what is missing, build, answer real sentences for every task in prompts/
# make test    install what is missing, build, run every test; make test-long asks more rows and random cases
# make test-address, test-thread    every Swift test again under AddressSanitizer, or ThreadSanitizer (half an hour each)
# make docs    build the libraries' documentation into .build/docs
# make format  rewrite the Swift sources as .swift-format says; make lint only checks

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:

PACKAGES := libopenblas-dev libzstd-dev liblmdb-dev libsentencepiece-dev pkg-config
LIBRARIES := openblas libzstd lmdb sentencepiece
SWIFT_SOURCES := Package.swift Sources Tests
TEST_FLAGS := -c release --disable-xctest

# The C tests run beside the Swift build, which leaves a CPU core idle for much of its time.
MAKEFLAGS += --jobs=2

# What tests and demo pack of a core stays in the build folder.
export POLYPROMPT_CACHE ?= $(CURDIR)/.build/cache

.PHONY: all demo test test-long test-address test-thread build-tests dependencies build docs lint format test-sanitized bench-peers

all: build

dependencies:
	@if ! command -v swift >/dev/null; then
	  echo "Swift 6.2 or newer is needed: see https://www.swift.org/install" >&2; exit 1
	fi
	if command -v pkg-config >/dev/null && pkg-config --exists $(LIBRARIES); then exit 0; fi
	if ! command -v apt-get >/dev/null; then
	  echo "Please install the development files of: $(LIBRARIES), and pkg-config." >&2; exit 1
	elif [ "$$(id -u)" = 0 ]; then sudo=
	elif command -v sudo >/dev/null; then sudo=sudo
	else
	  echo "Please run as root: apt-get install $(PACKAGES)" >&2; exit 1
	fi
	echo "Installing $(PACKAGES)" >&2
	$$sudo apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null

build: dependencies
	@swift build -c release --product polyprompt >&2

demo: build
	@.build/release/polyprompt demo --core models/polyprompt-mini --prompts prompts

test: test-sanitized build-tests
	@Tests/run.sh $(TEST_FLAGS) --skip-build

build-tests: dependencies
	@swift build -c release --build-tests >&2

test-long: export POLYPROMPT_TEST_LONG = 1
test-long: test

# The C and C++ code under AddressSanitizer and UndefinedBehaviorSanitizer; the kernels with every instruction set
# of this CPU.
SANITIZE := -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=undefined

test-sanitized: dependencies
	@mkdir -p .build
	clang -std=gnu17 $(SANITIZE) -ISources/CKernels/include Sources/CKernels/*.c Tests/CKernels/test*.c -lm \
	  -o .build/kernel-tests
	.build/kernel-tests
	clang++ -std=c++17 $(SANITIZE) -ISources/CSentencePiece/include Sources/CSentencePiece/*.cpp \
	  Tests/CSentencePiece/test.cpp $$(pkg-config --cflags --libs sentencepiece) -o .build/sentencepiece-tests
	.build/sentencepiece-tests models/polyprompt-mini/spiece.model

# The Swift code, and the C code in it, under a sanitizer: AddressSanitizer, with UndefinedBehaviorSanitizer for the C
# code (Swift traps by itself), or ThreadSanitizer. FILTER names suites or targets, where not all are to run.
FILTER ?= .
test-address: SANITIZERS := --sanitize address -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined
test-thread: SANITIZERS := --sanitize thread

test-address test-thread: dependencies
	@flags="$(TEST_FLAGS) $(SANITIZERS) --scratch-path .build/$@"
	swift build $${flags/--disable-xctest/} --build-tests >&2
	if [ $@ = test-thread ]; then
	  clang -std=gnu17 -O1 -Wall -Wextra -Werror -shared -fPIC Tests/ThreadSanitizer/mutex.c -o .build/$@/mutex.so
	  export LD_PRELOAD="$$PWD/.build/$@/mutex.so"
	fi
	# What a process holds when it exits is no leak of anybody's.
	export ASAN_OPTIONS=detect_leaks=0
	Tests/run.sh $$flags --skip-build --filter '$(FILTER)'

# The same requests, and the same steps of training, on other engines, in a Python environment of its own under
# .build/ (takes hours on two cores).
bench-peers: build
	@benchmarks/peers/setup.sh
	.build/peers-venv/bin/python benchmarks/peers/run.py --polyprompt .build/release/polyprompt \
	  --output benchmarks/results/peers.json
	swift build -c release --product polyprompt-train >&2
	.build/peers-venv/bin/python benchmarks/peers/training.py --polyprompt-train .build/release/polyprompt-train \
	  --output benchmarks/results/training.json

# The documentation of the libraries, from their comments and their .docc folders, as one site of static pages:
# python3 -m http.server --directory .build/docs
LIBRARIES_WITH_DOCS := PromptStore Serving T5 Training

docs: dependencies
	@swift build -c release --target Training >&2
	release=$$(swift build -c release --show-bin-path)
	toolchain=$$(dirname "$$(readlink -f "$$(command -v swift)")")
	docc=$$(command -v docc || echo "$$toolchain/docc")
	maps=$$(printf -- '-Xcc -fmodule-map-file=%s ' Sources/*/module.modulemap "$$release"/*.build/module.modulemap)
	rm -rf .build/docs .build/docs-parts
	for library in $(LIBRARIES_WITH_DOCS); do
	  symbols=.build/docs-parts/$$library
	  mkdir -p "$$symbols"
	  swift symbolgraph-extract -module-name "$$library" -minimum-access-level public -I "$$release/Modules" $$maps \
	    -target "$$(uname -m)-unknown-linux-gnu" -output-dir "$$symbols"
	  "$$docc" convert "Sources/$$library/$$library.docc" --additional-symbol-graph-dir "$$symbols" \
	    --fallback-display-name "$$library" --fallback-bundle-identifier "polyprompt.$$library" \
	    --warnings-as-errors --output-path ".build/docs-parts/$$library.doccarchive"
	done
	"$$docc" merge .build/docs-parts/*.doccarchive --synthesized-landing-page-name Polyprompt \
	  --synthesized-landing-page-topics-style list --output-path .build/docs
	echo '<meta http-equiv="refresh" content="0; url=documentation/">' >.build/docs/index.html
	rm -rf .build/docs-parts
	echo "The documentation is in .build/docs." >&2

lint: dependencies
	@swift format lint --strict --recursive --parallel $(SWIFT_SOURCES)

format:
	@swift format --in-place --recursive --parallel $(SWIFT_SOURCES)
