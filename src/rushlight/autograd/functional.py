"""torch.autograd.functional: products with Jacobians and Hessians, and these matrices whole.

A Jacobian-vector product is computed by differentiating twice: the vector-Jacobian product is
linear in its vector u, and its derivative with respect to u, applied to v, is the product with v.
"""

import importlib
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.engine import grad

_INDEPENDENT = (
    "The output of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode."
)


# Arguments and results --------------------------------------------------------------------------


def _as_tuple(value, what, name):
    """`value` as a tuple of tensors, and whether it was one."""
    items = value if isinstance(value, tuple) else (value,)
    for i, item in enumerate(items):
        if not isinstance(item, torch.Tensor):
            where = f"value at index {i} has" if isinstance(value, tuple) else f"given {what} has"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} type {type(item)}."
            )
    return items, isinstance(value, tuple)


def _fresh(inputs, create_graph):
    """Tensors of the same values that require grad; in the caller's graph if that is wanted."""
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_()
        for t in inputs
    )


def _call(func, inputs, name, strict):
    outputs, was_tuple = _as_tuple(func(*inputs), "outputs of the user-provided function", name)
    if strict:
        _check_outputs(outputs)
    return outputs, was_tuple


def _check_outputs(outputs):
    for i, output in enumerate(outputs):
        if not output.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs "
                "must be computed in a differentiable manner from the input when running in strict "
                "mode."
            )


def _vector(v, like, was_tuple, missing, name):
    """The vector `v`, one tensor per tensor of `like`; ones if there is one number to multiply."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(missing)
        return (torch.ones_like(like[0]),)
    vectors, _ = _as_tuple(v, "v", name)
    if len(vectors) != len(like):
        if not was_tuple:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}."
        )
    for i, (vector, other) in enumerate(zip(vectors, like, strict=True)):
        if vector.shape != other.shape:
            entry = f"Entry {i} in " if len(like) > 1 else ""
            raise RuntimeError(
                f"{entry}v has invalid size: should be {other.shape} but got {vector.shape}."
            )
    return vectors


def _gradients(outputs, inputs, vectors, create_graph, strict_text=None):
    """Gradients of the outputs that have any, zeros (in strict mode an error) for unused inputs."""
    used = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    found: Any = [None] * len(inputs)
    if used:
        targets, weights = zip(*used, strict=True)
        found = grad(
            targets,
            inputs,
            weights,
            create_graph=create_graph,
            retain_graph=True,
            allow_unused=True,
        )
    if strict_text is not None:
        for i, g in enumerate(found):
            if g is None:
                raise RuntimeError(strict_text.format(i))
    return tuple(
        torch.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)
    )


def _result(tensors, was_tuple, create_graph):
    if not create_graph:
        tensors = tuple(t.detach() for t in tensors)
    return tensors if was_tuple else tensors[0]


# Products ---------------------------------------------------------------------------------------


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """vjp(func, inputs, v=None, create_graph=False, strict=False) -> (outputs, vjp)

    The outputs of `func`, and the product of `v` with its Jacobian.

    >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with torch.set_grad_enabled(True):
        given, in_tuple = _as_tuple(inputs, "inputs", "vjp")
        given = _fresh(given, create_graph)
        outputs, out_tuple = _call(func, given, "vjp", strict)
        missing = (
            "The vector v can only be None if the user-provided function returns a single Tensor "
            "with a single element."
        )
        vectors = _vector(v, outputs, out_tuple, missing, "vjp")
        text = _INDEPENDENT if strict else None
        products = _gradients(outputs, given, vectors, create_graph, text)
    return _result(outputs, out_tuple, create_graph), _result(products, in_tuple, create_graph)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """jvp(func, inputs, v=None, create_graph=False, strict=False) -> (outputs, jvp)

    The outputs of `func`, and the product of its Jacobian with `v`.

    >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with torch.set_grad_enabled(True):
        given, in_tuple = _as_tuple(inputs, "inputs", "jvp")
        missing = (
            "The vector v can only be None if the input to the user-provided function is a single "
            "Tensor with a single element."
        )
        vectors = _vector(v, given, in_tuple, missing, "jvp")
        given = _fresh(given, create_graph)
        outputs, out_tuple = _call(func, given, "jvp", strict)
        weights = tuple(torch.zeros_like(o, requires_grad=True) for o in outputs)
        text = _INDEPENDENT if strict else None
        linear = _gradients(outputs, given, weights, True, text)
        products = _gradients(linear, weights, vectors, create_graph)
    return _result(outputs, out_tuple, create_graph), _result(products, out_tuple, create_graph)


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """vhp(func, inputs, v=None, create_graph=False, strict=False) -> (output, vhp)

    The number `func` gives, and the product of `v` with its Hessian.

    >>> v = torch.tensor([1.0, 2.0])
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.ones(2), v)
    (tensor(2.), tensor([ 6., 12.]))
    """
    output, gradient, given, vectors, in_tuple = _second_order(
        func, inputs, v, "vhp", create_graph, strict
    )
    with torch.set_grad_enabled(True):
        products = _gradients(gradient, given, vectors, create_graph)
    return _result((output,), False, create_graph), _result(products, in_tuple, create_graph)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """hvp(func, inputs, v=None, create_graph=False, strict=False) -> (output, hvp)

    The number `func` gives, and the product of its Hessian with `v`. `vhp` is faster.

    >>> v = torch.tensor([1.0, 2.0])
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.ones(2), v)
    (tensor(2.), tensor([ 6., 12.]))
    """
    output, gradient, given, vectors, in_tuple = _second_order(
        func, inputs, v, "hvp", create_graph, strict
    )
    with torch.set_grad_enabled(True):
        weights = tuple(torch.zeros_like(g, requires_grad=True) for g in gradient)
        linear = _gradients(gradient, given, weights, True)
        products = _gradients(linear, weights, vectors, create_graph)
    return _result((output,), False, create_graph), _result(products, in_tuple, create_graph)


def _second_order(func, inputs, v, name, create_graph, strict):
    """The output, its gradient with history, the inputs it was computed at, and the vector."""
    with torch.set_grad_enabled(True):
        given, in_tuple = _as_tuple(inputs, "inputs", name)
        missing = (
            "The vector v can only be None if the input to the user-provided function is a single "
            "Tensor with a single element."
        )
        vectors = _vector(v, given, in_tuple, missing, name)
        given = _fresh(given, create_graph)
        outputs, out_tuple = _call(func, given, name, strict)
        _check_number(outputs, out_tuple, name)
        text = _INDEPENDENT if strict else None
        gradient = _gradients(outputs, given, (torch.ones_like(outputs[0]),), True, text)
    return outputs[0], gradient, given, vectors, in_tuple


def _check_number(outputs, was_tuple, name):
    if was_tuple:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )


# Matrices ---------------------------------------------------------------------------------------


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """jacobian(func, inputs, create_graph=False, strict=False, vectorize=False,
    strategy="reverse-mode")

    The Jacobian of `func`: for an output and an input, a tensor of the output's shape followed by
    the input's. Tuples of outputs or inputs give tuples. `vectorize`: all rows by one vmap.
    `strategy="forward-mode"` (with `vectorize`): columns instead, of which there may be fewer.

    >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check_strategy(create_graph, strict, vectorize, strategy)
    with torch.set_grad_enabled(True):
        given, in_tuple = _as_tuple(inputs, "inputs", "jacobian")
        if strategy == "forward-mode":  # loaded when it is first asked for
            return importlib.import_module("rushlight.autograd.columns").jacobian(
                lambda *t: _call(func, t, "jacobian", strict), given, in_tuple
            )
        given = _fresh(given, create_graph)
        outputs, out_tuple = _call(func, given, "jacobian", strict)
        rows = _rows_at_once if vectorize else _rows
        blocks = tuple(
            _result(rows(output, i, given, create_graph, strict), in_tuple, create_graph)
            for i, output in enumerate(outputs)
        )
    return blocks if out_tuple else blocks[0]


def _rows(output, i, inputs, create_graph, strict):
    """The derivatives of every element of `output`, stacked to one tensor per input."""
    text = None
    if strict:
        text = (
            f"Output {i} of the user-provided function is independent of input {{}}. This is not "
            "allowed in strict mode."
        )
    rows = []
    for element in output.reshape(-1):
        rows.append(_gradients((element,), inputs, (torch.ones_like(element),), create_graph, text))
    if not rows:
        return tuple(t.new_zeros((*output.shape, *t.shape)) for t in inputs)
    columns = zip(*rows, strict=True)
    return tuple(
        torch.stack(column).view(*output.shape, *t.shape)
        for column, t in zip(columns, inputs, strict=True)
    )


def _rows_at_once(output, i, inputs, create_graph, strict):
    """The same by one vmap over the rows."""
    n = output.numel()
    if not n or not output.requires_grad:
        return _rows(output, i, inputs, create_graph, strict)
    found = grad(
        output,
        inputs,
        torch.eye(n, dtype=output.dtype, device=output.device).reshape(n, *output.shape),
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
        is_grads_batched=True,
    )
    return tuple(
        t.new_zeros((*output.shape, *t.shape)) if g is None else g.view(*output.shape, *t.shape)
        for g, t in zip(found, inputs, strict=True)
    )


def _check_strategy(create_graph, strict, vectorize, strategy):
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode" and create_graph:
        raise NotImplementedError(
            "torch.autograd.functional.jacobian: `create_graph=True` and "
            '`strategy="forward-mode"` are not supported together (yet). Please either set '
            "`create_graph=False` or "
            '`strategy="reverse-mode"`.'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """hessian(func, inputs, create_graph=False, strict=False, vectorize=False,
    outer_jacobian_strategy="reverse-mode")

    The Hessian of a function that gives one number: the Jacobian of its gradient. A tuple of inputs
    gives a tuple of tuples.

    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """

    def number(*given):
        outputs, was_tuple = _as_tuple(
            func(*given), "outputs of the user-provided function", "hessian"
        )
        _check_number(outputs, was_tuple, "hessian")
        return outputs[0].squeeze()

    def gradient(*given):
        return jacobian(number, given if isinstance(inputs, tuple) else given[0], create_graph=True)

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
