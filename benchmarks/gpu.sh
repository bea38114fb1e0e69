#!/bin/sh
# On a machine with an NVIDIA GPU and torch: correctness, then speed against that torch, in one call.
#
#     sh benchmarks/gpu.sh [python]         # results go to $OUT (default: .) as gpu.txt
#
# Needs a Python with torch; installs rushlight's extra `cuda` into it where the registry can be
# reached, and says so where CuPy is missing.
set -u
PYTHON=${1:-python3}
OUT=${OUT:-.}
HERE=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$HERE/src:$HERE/tests/ops:$HERE/tests/cuda" CUPY_ACCELERATORS=cub

{
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    "$PYTHON" -c "import cupy" 2>/dev/null || "$PYTHON" -m pip install -q "cupy-cuda13x>=14.2,<15"
    "$PYTHON" -c "import ml_dtypes" 2>/dev/null || "$PYTHON" -m pip install -q ml_dtypes
    "$PYTHON" -c "import cupy, torch; print('cupy', cupy.__version__, 'torch', torch.__version__)" ||
        { echo "CuPy or torch is missing: nothing to measure"; exit 1; }
    "$PYTHON" "$HERE/tools/build_native.py" >/dev/null 2>&1 || echo "no native extension"
    echo "== recorded samples of every operator, on the card"
    "$PYTHON" -W ignore "$HERE/benchmarks/gpu.py" census
    echo "== time of one call, rushlight / torch, microseconds"
    "$PYTHON" -W ignore "$HERE/benchmarks/gpu.py" speed
} 2>&1 | tee "$OUT/gpu.txt"
