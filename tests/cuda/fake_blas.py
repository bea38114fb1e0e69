"""cuBLAS and cuBLASLt on NumPy's memory: the functions that _kernels/cuda calls, with the
libraries' column-major rules, and refusals of what they would refuse."""

import ctypes

import ml_dtypes
import numpy as np

TYPES = {0: "f4", 1: "f8", 2: "f2", 4: "c8", 5: "c16", 14: ml_dtypes.bfloat16}
COMPUTE = {0: (68, 77), 1: (70,), 2: (68,), 4: (68,), 5: (70,), 14: (68,)}
calls = []  # what was asked for


def value_of(box):
    """A number passed by address."""
    inner = box._obj
    return complex(*inner) if isinstance(inner, ctypes.Array) else inner.value


def look(address, dtype, leading, rows, columns, step, batch):
    """The memory at an address as (batch, rows, columns) stored column by column."""
    assert leading >= max(1, rows), f"leading dimension {leading} for {rows} rows"
    d = np.dtype(dtype)
    count = (batch - 1) * step + (columns - 1) * leading + rows
    memory = np.frombuffer((ctypes.c_char * (count * d.itemsize)).from_address(address), d)
    size = d.itemsize
    return np.lib.stride_tricks.as_strided(
        memory, (batch, rows, columns), (step * size, size, leading * size)
    )


def operand(address, kind, operation, leading, rows, columns, step, batch):
    """op(A) of (rows, columns), in the precision computed in."""
    stored = (rows, columns) if operation == 0 else (columns, rows)
    found = look(address, TYPES[kind], leading, *stored, step, batch)
    wide = found.astype("f4") if kind in (2, 14) else found
    return wide if operation == 0 else wide.swapaxes(1, 2)


def note(action):
    """What the array module does with a launch while a graph is recorded."""


class Blas:
    """libcublas."""

    def __init__(self):
        self.mode, self.stream, self.space = 0, 0, None

    def cublasCreate_v2(self, handle):
        handle._obj.value = 1
        return 0

    def cublasSetStream_v2(self, handle, stream):
        self.stream, self.space = stream, None
        return 0

    def cublasSetWorkspace_v2(self, handle, address, size):
        self.space = size
        return 0

    def cublasSetMathMode(self, handle, mode):
        self.mode = mode
        return 0

    def cublasGemmStridedBatchedEx_64(
        self, handle, opa, opb, m, n, k, alpha, a, akind, lda, sa, b, bkind, ldb, sb,
        beta, c, ckind, ldc, sc, batch, compute, algo,
    ):  # fmt: skip
        assert self.space, "no workspace"
        assert akind == bkind == ckind and compute in COMPUTE[akind], compute
        calls.append(("gemm", akind, compute, opa, opb, m, n, k, batch, self.mode))
        z = look(c, TYPES[ckind], ldc, m, n, sc, batch)
        one, two = value_of(alpha), value_of(beta)

        def run():
            x = operand(a, akind, opa, lda, m, k, sa, batch)
            y = operand(b, bkind, opb, ldb, k, n, sb, batch)
            made = one * (x @ y)
            if two:
                made = made + two * z.astype(made.dtype)
            z[...] = made

        run()
        note(run)
        return 0


class Lt:
    """libcublasLt."""

    def __init__(self):
        self.made = {}

    def new(self, box, **facts):
        box._obj.value = len(self.made) + 1000
        self.made[box._obj.value] = facts
        return 0

    def cublasLtCreate(self, handle):
        return self.new(handle)

    def cublasLtMatmulDescCreate(self, box, compute, scale):
        assert scale == (1 if compute == 70 else 0)  # of float32 sums, float32
        return self.new(box, compute=compute, scale=scale)

    def cublasLtMatmulDescSetAttribute(self, description, attribute, value, size):
        assert ctypes.sizeof(value._obj) == size
        self.made[description.value][attribute] = value._obj.value
        return 0

    def cublasLtMatrixLayoutCreate(self, box, kind, rows, columns, leading):
        assert leading >= rows
        return self.new(box, kind=kind, rows=rows, columns=columns, leading=leading)

    def cublasLtMatmulPreferenceCreate(self, box):
        return self.new(box)

    def cublasLtMatmulPreferenceSetAttribute(self, preference, attribute, value, size):
        assert ctypes.sizeof(value._obj) == size == (8 if attribute == 1 else 4)
        self.made[preference.value][attribute] = value._obj.value
        return 0

    def cublasLtMatmulPreferenceDestroy(self, preference):
        self.made.pop(preference.value)
        return 0

    def cublasLtMatmulAlgoGetHeuristic(self, handle, d, a, b, c, e, preference, n, result, count):
        wanted = self.made[preference.value]
        self.made[d.value]["aligned"] = [wanted[i] for i in (5, 6, 7, 8)]
        count._obj.value, result._obj.workspace = 1, 4096
        return 0

    def cublasLtMatmul(
        self, handle, d, alpha, a, la, b, lb, beta, c, lc, out, lout, algo, space, size, stream
    ):
        how = self.made[d.value]
        assert space and size == 4096
        for address, unit in zip((a, b, c, out), how["aligned"], strict=True):
            assert address % unit == 0, "an address that the algorithm was not chosen for"
        la, lb, lc = (self.made[x.value] for x in (la, lb, lc))
        calls.append(("lt", la["kind"], how["compute"], how[3], how[4]))
        m, n = lc["rows"], lc["columns"]
        k = la["columns"] if how[3] == 0 else la["rows"]
        one, opa, opb, bias = value_of(alpha), how[3], how[4], how[8] if how[7] & 4 else None

        def run():
            x = operand(a, la["kind"], opa, la["leading"], m, k, 0, 1)
            y = operand(b, lb["kind"], opb, lb["leading"], k, n, 0, 1)
            made = one * (x @ y)
            if bias is not None:
                made = made + look(bias, TYPES[lc["kind"]], m, m, 1, 0, 1).astype(made.dtype)
            look(out, TYPES[lc["kind"]], lc["leading"], m, n, 0, 1)[...] = made

        run()
        note(run)
        return 0


libraries = {"cublas": Blas(), "cublasLt": Lt()}
