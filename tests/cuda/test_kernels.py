"""Kernels of devices against the records' forwards on the CPU, where recorded samples are few."""

import numpy as np
import pytest

import rushlight as torch
from rushlight._core import gpu
from rushlight._core.gpu_module import detours

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 4e-3, torch.bfloat16: 4e-2}


@pytest.fixture(autouse=True)
def on_the_device():
    """Nothing here goes over the host."""
    detours.clear()
    yield
    assert not detours


def same(found, expected, dtype=torch.float32, factor=1):
    tolerance = CLOSE.get(dtype, 0) * factor
    torch.testing.assert_close(
        found.detach().cpu(), expected.detach(), rtol=tolerance, atol=tolerance, check_stride=False
    )


WHOLE = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("dtype", [*FLOATS, *WHOLE])
def test_scattered_reductions(compiled, reduce, dtype):
    torch.manual_seed(0)
    x, src = torch.randint(-3, 4, (5, 4)).to(dtype), torch.randint(-3, 4, (9, 4)).to(dtype)
    index = torch.randint(0, 5, (9, 4))
    for kept in (True, False):
        expected = x.scatter_reduce(0, index, src, reduce, include_self=kept)
        found = x.cuda().scatter_reduce(0, index.cuda(), src.cuda(), reduce, include_self=kept)
        same(found, expected, dtype)


@pytest.mark.parametrize("shape", [(5, 5), (3, 6, 6), (2, 3, 7), (40, 3, 3), (70, 70), (6, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_factors(shape, dtype):
    torch.manual_seed(0)
    A = torch.randn(shape, dtype=dtype)
    for found, expected in zip(
        torch.linalg.lu_factor_ex(A.cuda()), torch.linalg.lu_factor_ex(A), strict=True
    ):
        same(found, expected, torch.float64, 100)
    P, L, U = torch.linalg.lu(A.cuda())
    same(P.to(dtype) @ L @ U, A, torch.float64, 100)


def test_a_zero_pivot_is_told():
    A = torch.zeros(2, 3, 3)
    A[1] = torch.eye(3)
    A[1, 1, 1] = 0
    assert torch.linalg.lu_factor_ex(A.cuda()).info.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match=r"Batch element 0.*U\[1,1\] is zero"):
        torch.linalg.lu_factor(A.cuda())


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_triangular_systems(left, upper, unit):
    torch.manual_seed(0)
    A = torch.randn(2, 1, 4, 4, dtype=torch.float64) + 4 * torch.eye(4, dtype=torch.float64)
    B = torch.randn(3, 4, 4, dtype=torch.float64)
    options = {"upper": upper, "left": left, "unitriangular": unit}
    found = torch.linalg.solve_triangular(A.cuda(), B.cuda(), **options)
    same(found, torch.linalg.solve_triangular(A, B, **options), torch.float64, 10)


def test_cupy_is_told_to_refuse_singular_matrices(cupy):
    states = cupy.libraries["cupyx"].states
    states.clear()
    with pytest.raises(RuntimeError, match="singular"):
        torch.linalg.inv(torch.zeros(2, 2, device="cuda"))
    assert states[0] == "raise"


@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
@pytest.mark.parametrize("keepdims", [True, False])
def test_reductions_by_halves(cupy, axis, keepdims):
    x = np.random.default_rng(0).integers(0, 99, (7, 4, 5))
    found = gpu.cuda.xp.bitwise_xor.reduce(cupy.asarray(x), axis, None, None, keepdims)
    expected = np.bitwise_xor.reduce(x, axis, None, None, keepdims)
    assert np.array_equal(found.get(), expected)
    assert found.shape == expected.shape
