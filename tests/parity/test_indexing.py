"""Indexing gives what PyTorch gives: reading, writing, gradients, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight

oracle = pytest.importorskip("torch", reason="parity with PyTorch needs torch")

SHAPE = (3, 4, 2)


@st.composite
def indices(draw):
    """A recipe of an index for SHAPE: parts that each module turns into its own objects."""
    parts, dim = [], 0
    ellipsis = False
    while dim < 3:
        kind = draw(
            st.sampled_from(("int", "slice", "none", "ellipsis", "list", "tensor", "mask", "stop"))
        )
        n = SHAPE[dim]
        if kind == "stop":
            break
        if kind == "ellipsis":
            if ellipsis:
                continue
            ellipsis = True
            parts.append(("ellipsis",))
            break
        if kind == "none":
            parts.append(("none",))
            continue
        if kind == "int":
            parts.append(("int", draw(st.integers(-n - 1, n))))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-n, n))
            parts.append(("slice", draw(ends), draw(ends), draw(st.sampled_from((None, 1, 2)))))
        elif kind == "mask":
            parts.append(("mask", draw(st.lists(st.booleans(), min_size=n, max_size=n))))
        else:
            parts.append(
                (kind, draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=1 + dim % 2)))
            )
        dim += 1
    return parts


def build(T, parts):
    made = []
    for kind, *rest in parts:
        if kind == "int":
            made.append(rest[0])
        elif kind == "slice":
            made.append(slice(*rest))
        elif kind == "none":
            made.append(None)
        elif kind == "ellipsis":
            made.append(...)
        elif kind == "list":
            made.append(rest[0])
        else:
            made.append(T.tensor(rest[0]))
    return tuple(made)


def read(T, parts):
    x = T.arange(24.0).reshape(SHAPE).requires_grad_()
    y = x[build(T, parts)]
    (y * y).sum().backward()
    return [y.detach().numpy(), x.grad.numpy()]


def write(T, parts):
    x = T.arange(24.0).reshape(SHAPE)
    x[build(T, parts)] = -1.5
    y = T.arange(24.0).reshape(SHAPE)
    y[build(T, parts)] = y[build(T, parts)] * 2
    return [x.numpy(), y.numpy()]


@pytest.mark.parametrize("program", [read, write])
def test_indexing_agrees(program):
    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(indices())
    def agrees(parts):
        try:
            want = program(oracle, parts)
        except (IndexError, RuntimeError) as error:
            with pytest.raises(type(error)) as caught:
                program(rushlight, parts)
            assert str(caught.value)[:25] == str(error)[:25]
            return
        for a, b in zip(program(rushlight, parts), want, strict=True):
            assert a.shape == b.shape
            np.testing.assert_array_equal(a, b)

    agrees()
