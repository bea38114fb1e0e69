#!/bin/sh
# On a machine with an NVIDIA GPU and torch: the tests of tests/cuda on the card, numbers and gradients
# against that torch, speed against it, and every operator's recorded samples, in one call.
#
#     sh benchmarks/gpu.sh [python] [parts]     # tables and logs go to $OUT (default: .)
#
# parts: any of "build tests parity speed census" (default: all, in this order). The whole ends within
# GPU_SECONDS (default 560): each part has a limit of its own, gets at most what is left, and writes
# what it has found line by line, so that nothing done is lost. A part that fails, a case that kills
# its process or hangs, stops nothing else.
#
# Needs a Python with torch. What it lacks (CuPy, ml_dtypes, pytest, cuDNN's Python frontend) is
# installed from .whl/ in the repository where that is there (a machine without a registry), else
# from PyPI; see "Measuring on a lent card" in docs/cuda.md for how to fetch the wheels.
set -u
PYTHON=${1:-python3}
PARTS=${2:-"build tests parity speed census"}
export OUT="${OUT:-.}"
END=$(($(date +%s) + ${GPU_SECONDS:-560}))
HERE=$(cd "$(dirname "$0")/.." && pwd)
SITE=${TMPDIR:-/tmp}/rushlight-site
export PYTHONPATH="$HERE/src:$SITE:$HERE/tests/ops:$HERE/tests/cuda" PYTHONUNBUFFERED=1
export CUPY_ACCELERATORS=cub RUSHLIGHT_GPU=1 PYTHONDONTWRITEBYTECODE=1
# Without a registry pip is to give up at once, not to try for a minute.
export PIP_RETRIES=0 PIP_DEFAULT_TIMEOUT=5 PIP_DISABLE_PIP_VERSION_CHECK=1

wants() { case " $PARTS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
has() { "$PYTHON" -c "import $1" 2>/dev/null; }
install() { # module, requirement
    has "$1" && return
    timeout 60 "$PYTHON" -m pip install -q --no-deps --target "$SITE" "$2" || echo "missing: $2"
}
part() { # name, most seconds, command: its output to $OUT/name.txt; LIMIT in it is its seconds
    name=$1 most=$2
    shift 2
    wants "$name" || return 0
    left=$((END - $(date +%s)))
    [ "$left" -lt 15 ] && { echo "== $name: no time is left"; return 0; }
    [ "$most" -gt "$left" ] && most=$left
    began=$(date +%s)
    LIMIT=$most timeout -k 5 "$most" "$@" >"$OUT/$name.txt" 2>&1
    echo "== $name: ended with $? after $(($(date +%s) - began)) s of $most"
}
section() { # the part of gpu.py of that name, and its report
    part "$1" "$2" sh -c 'exec "$1" -W ignore "$2" "$3" --seconds $((LIMIT - 8))' - \
        "$PYTHON" "$HERE/benchmarks/gpu.py" "$1"
    wants "$1" && [ -f "$OUT/$1.txt" ] || return 0
    [ "$1" = speed ] && { cat "$OUT/speed.txt"; return 0; }
    echo "$1: $(grep -c '^  ok ' "$OUT/$1.txt") are right; the others:"
    grep -v '^  ok ' "$OUT/$1.txt" | cut -c 1-170 | head -"$3"
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
    timeout 60 "$PYTHON" - <<'PY' || { echo "CuPy or torch is missing: nothing to do"; exit 1; }
import cupy, torch
print("cupy", cupy.__version__, "torch", torch.__version__, "cuDNN", torch.backends.cudnn.version())
try:
    import cudnn
    print("cuDNN frontend", cudnn.__version__, "backend", cudnn.backend_version())
except Exception as error:
    print("no cuDNN frontend:", error)
PY
    if wants build; then # beside the tests, which do without
        (MAX_JOBS=$(nproc) timeout 240 "$PYTHON" "$HERE/tools/build_native.py" >"$OUT/build.txt" 2>&1) &
        building=$!
    fi

    export RUSHLIGHT_NATIVE=0
    more=""
    has xdist && more="-n 8 --max-worker-restart 30"
    has pytest_timeout && more="$more --timeout 60"
    # shellcheck disable=SC2086
    part tests 180 "$PYTHON" -m pytest "$HERE/tests/cuda" -q -p no:cacheprovider $more --tb short \
        --rootdir "$HERE" -c "$HERE/pyproject.toml" --ignore "$HERE/tests/cuda/test_operators.py" \
        --ignore "$HERE/tests/cuda/test_sources.py" --maxfail 300
    # failed.txt is written test by test (tests/cuda/conftest.py): there however the run ended
    wants tests && { [ -f "$OUT/failed.txt" ] && cut -c 1-200 "$OUT/failed.txt" | head -60; tail -2 "$OUT/tests.txt"; }
    section parity 90 40

    unset RUSHLIGHT_NATIVE
    if wants build; then
        wait "$building" || echo "== build: failed, the times are those of pure Python"
        tail -1 "$OUT/build.txt"
    fi
    wants speed && echo "== time of one call: rushlight, torch (microseconds), their ratio; GB/s or TFLOP/s"
    section speed 240 80

    export RUSHLIGHT_NATIVE=0
    section census 300 40
    date -u
} 2>&1 | tee "$OUT/gpu.txt"
