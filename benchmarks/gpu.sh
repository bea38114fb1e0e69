#!/bin/sh
# On a machine with an NVIDIA GPU and torch: the tests of tests/cuda on the card, the operators' laws
# and parity against that torch, then speed against it, in one call of at most ten minutes.
#
#     sh benchmarks/gpu.sh [python] [sections]     # tables and logs go to $OUT (default: .)
#
# sections: any of "build tests census parity speed" (default: all, in this order). Needs a Python
# with torch. What it lacks (CuPy, ml_dtypes, pytest, cuDNN's Python frontend) is installed from
# .whl/ in the repository where that is there (a machine without a registry), else from PyPI; see
# "Measuring on a lent card" in docs/cuda.md for how to fetch the wheels.
set -u
PYTHON=${1:-python3}
SECTIONS=${2:-"build tests census parity speed"}
OUT=${OUT:-.}
HERE=$(cd "$(dirname "$0")/.." && pwd)
SITE=${TMPDIR:-/tmp}/rushlight-site
export PYTHONPATH="$HERE/src:$SITE:$HERE/tests/ops:$HERE/tests/cuda" PYTHONUNBUFFERED=1
export CUPY_ACCELERATORS=cub RUSHLIGHT_GPU=1

wants() { case " $SECTIONS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
has() { "$PYTHON" -c "import $1" 2>/dev/null; }
install() { # module, requirement
    has "$1" && return
    "$PYTHON" -m pip install -q --no-deps --target "$SITE" "$2" || echo "missing: $2"
}

{
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    if ls "$HERE"/.whl/*.whl >/dev/null 2>&1; then
        "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target "$SITE" \
            "$HERE"/.whl/*.whl || echo "the wheels of .whl/ do not fit"
    fi
    install cupy "cupy-cuda13x>=14.2,<15"
    install ml_dtypes ml_dtypes
    install pytest pytest
    install cudnn "nvidia-cudnn-frontend==1.28.0"
    "$PYTHON" - <<'PY' || { echo "CuPy or torch is missing: nothing to do"; exit 1; }
import cupy, torch
print("cupy", cupy.__version__, "torch", torch.__version__, "cuDNN", torch.backends.cudnn.version())
try:
    import cudnn
    print("cuDNN frontend", cudnn.__version__, "backend", cudnn.backend_version())
except Exception as error:
    print("no cuDNN frontend:", error)
PY
    if wants build; then
        echo "== native extension"
        MAX_JOBS=16 "$PYTHON" "$HERE/tools/build_native.py" >"$OUT/build.txt" 2>&1 || echo "not built"
    fi
    if wants tests; then
        echo "== tests/cuda on the card"
        (cd "$HERE" && timeout 200 "$PYTHON" -m pytest tests/cuda -q -p no:cacheprovider \
            --ignore tests/cuda/test_operators.py --maxfail 40 >"$OUT/tests.txt" 2>&1)
        tail -45 "$OUT/tests.txt"
    fi
    if wants census; then
        echo "== recorded samples of every operator, on the card"
        timeout 120 "$PYTHON" -W ignore "$HERE/benchmarks/gpu.py" census >"$OUT/census.txt" 2>&1
        tail -40 "$OUT/census.txt"
    fi
    if wants parity; then
        echo "== against that torch, on the card"
        timeout 90 "$PYTHON" -W ignore "$HERE/benchmarks/gpu.py" parity >"$OUT/parity.txt" 2>&1
        tail -40 "$OUT/parity.txt"
    fi
    if wants speed; then
        echo "== time of one call: rushlight, torch (microseconds), their ratio; GB/s or TFLOP/s"
        timeout 180 "$PYTHON" -W ignore "$HERE/benchmarks/gpu.py" speed >"$OUT/speed.txt" 2>&1
        cat "$OUT/speed.txt"
    fi
    date -u
} 2>&1 | tee "$OUT/gpu.txt"
