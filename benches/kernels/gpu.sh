#!/bin/bash
# What only a real GPU can show, in one go: conformance, the sanitizer's checks, and each launch's time beside the roof.
# Needs a CUDA driver (550 or newer) and this repository's toolchain; no CUDA toolkit. Prints a report; fails if anything does.
#
#   benches/kernels/gpu.sh | tee benches/kernels/$(date +%F)-gpu.txt
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "# $(date -u +%FT%TZ), $(git rev-parse --short HEAD 2>/dev/null || echo 'no commit')"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem --format=csv,noheader || true

echo "## Conformance: the device against the f64 twins, ten times the worlds of an ordinary run"
export TRUESTREAM_REQUIRE_GPU=1
cargo test --release -p kernels --features cuda

echo "## compute-sanitizer"
if command -v compute-sanitizer >/dev/null; then
  # The tests, built already; cargo names them.
  tests=$(cargo test --release -p kernels --features cuda --test cuda --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"cuda".*"executable":"\([^"]*\)".*/\1/p')
  for tool in memcheck racecheck synccheck initcheck; do
    echo "### $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$tests" --test-threads 1
  done
else
  echo "SKIPPED: compute-sanitizer is not installed"
fi

echo "## Time of each launch, by the device's events"
cargo run --release -q -p kernels --features cuda --example timing -- cuda
