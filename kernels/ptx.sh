#!/bin/bash
# Makes ptx/*.ptx of cu/*.cu, or checks that what is committed is what they make, and that no kernel outgrew its budget.
#
#   ptx.sh            rewrites ptx/ and prints each kernel's registers, spills and shared memory
#   ptx.sh --check    changes nothing; fails on drift, on a spill, on a kernel beyond budgets.tsv
#
# Compilers come as Python packages into a folder of their own (PTX_TOOLS, default target/ptx-tools): NVRTC 12.4, because
# its PTX 8.4 is read by every driver since 550, and ptxas 13.0 for the six architectures. No GPU or driver is needed.
# Without a package index the script says SKIPPED and succeeds; the committed PTX carries the hash of its source, which a test checks.
set -euo pipefail
cd "$(dirname "$0")"
tools="${PTX_TOOLS:-../target/ptx-tools}"
if [ ! -x "$tools/bin/python" ]; then
  python3 -m venv "$tools"
fi
if ! "$tools/bin/python" -c 'import nvidia.cuda_nvrtc, nvidia.cu13' 2>/dev/null; then
  "$tools/bin/pip" install --quiet nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-nvcc==13.0.88 || {
    echo "SKIPPED: the CUDA compilers cannot be installed here"
    exit 0
  }
fi
exec "$tools/bin/python" ptx.py "$@"
