"""einsum: parse the equation, then contract left to right with batched products."""

import functools
import math

from rushlight._core.op import public

ELLIPSIS = -1  # stands for "..." until the number of dimensions it covers is known


@public("torch", out=False)
def einsum(*args):
    """einsum(equation, *operands) -> Tensor

    Sum of products named by labels: ``"ij,jk->ik"`` is a matrix product. ``...`` stands for leading
    dimensions that broadcast. The sublist form is ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    >>> torch.einsum("ij,j->i", torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    if isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        if len(operands) == 2:
            result = _planned(args[0], *operands)
            if result is not None:
                return result
        inputs, output = _parse(args[0])
    else:
        operands, inputs, output = _sublists(args)
    operands = list(operands)
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    _check_operands(operands, inputs)
    terms, ellipsis = _expand(operands, inputs)
    output = _output_labels(inputs, output, ellipsis)
    seen = {label for labels in inputs for label in labels} | set(ellipsis)
    for label in output:
        if label not in seen:
            raise RuntimeError(
                f"einsum(): output subscript {_shown(label)} does not appear in the equation for "
                "any input operand"
            )
        if output.count(label) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {_shown(label)} appears more than once in the output"
            )
    return _contract(terms, output)


# ---- reading -------------------------------------------------------------------------------------


def _shown(label):
    if label == ELLIPSIS or label >= 100:
        return "..."
    return chr(ord("A") + label) if label < 26 else chr(ord("a") + label - 26)


def _letters(text, start):
    """The labels of one term; A-Z are 0-25 and a-z 26-51, so that sorting labels is PyTorch's
    order."""
    labels, i = [], 0
    while i < len(text):
        c = text[i]
        if c == " ":
            i += 1
            continue
        if c == ".":
            if text[i : i + 3] != "..." or ELLIPSIS in labels:
                raise RuntimeError(
                    f"einsum(): found '.' for operand {start} that is not part of any ellipsis"
                    if isinstance(start, int)
                    else "einsum(): found '.' for output but an ellipsis (...) was already found"
                )
            labels.append(ELLIPSIS)
            i += 3
            continue
        if not (c.isascii() and c.isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
        labels.append(ord(c) - ord("A") if c <= "Z" else ord(c) - ord("a") + 26)
        i += 1
    return labels


def _parse(equation):
    left, arrow, right = equation.partition("->")
    inputs = [_letters(term, i) for i, term in enumerate(left.split(","))]
    return inputs, _letters(right, "output") if arrow else None


def _sublists(args):
    operands, inputs, output = [], [], None
    rest = list(args)
    while len(rest) >= 2:
        operands.append(rest.pop(0))
        inputs.append(_numbered(rest.pop(0)))
    if rest:
        output = _numbered(rest.pop())
    return operands, inputs, output


def _numbered(sublist):
    labels = []
    for item in sublist:
        if item is Ellipsis:
            labels.append(ELLIPSIS)
        elif isinstance(item, int) and 0 <= item < 52:
            labels.append(item)
        else:
            raise ValueError(
                f"einsum(): expected subscript to be within [0, 52) range, but got {item}"
                if isinstance(item, int)
                else f"einsum(): expected subscript to be an int or Ellipsis, but got {item!r}"
            )
    return labels


def _check_operands(operands, inputs):
    if len(operands) != len(inputs):
        which = "more" if len(operands) > len(inputs) else "fewer"
        raise RuntimeError(
            f"einsum(): {which} operands were provided than specified in the equation"
        )
    for i, (t, labels) in enumerate(zip(operands, inputs, strict=True)):
        named = len([x for x in labels if x != ELLIPSIS])
        if ELLIPSIS in labels:
            if named > t.ndim:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({named}) is more than "
                    f"the number of dimensions ({t.ndim}) for operand {i}"
                )
        elif named != t.ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the "
                f"number of dimensions ({t.ndim}) for operand {i} and no ellipsis was given"
            )


def _expand(operands, inputs):
    """Terms (tensor, labels) with ``...`` spelt out (labels from 100, right-aligned), diagonals
    taken."""
    covered = [t.ndim - len(x) + 1 for t, x in zip(operands, inputs, strict=True) if ELLIPSIS in x]
    ellipsis = list(range(100, 100 + max(covered, default=0)))
    terms, sizes = [], {}
    for i, (t, labels) in enumerate(zip(operands, inputs, strict=True)):
        if ELLIPSIS in labels:
            at, count = labels.index(ELLIPSIS), t.ndim - len(labels) + 1
            labels = labels[:at] + ellipsis[len(ellipsis) - count :] + labels[at + 1 :]
        for j, (label, size) in enumerate(zip(labels, t.shape, strict=True)):
            if label in labels[:j] and t.shape[labels.index(label)] != size:
                raise RuntimeError(
                    f"einsum(): subscript {_shown(label)} is repeated for operand {i} but the "
                    f"sizes don't match, {size} != {t.shape[labels.index(label)]}"
                )
            known = sizes.setdefault(label, size)
            if known != size and 1 not in (known, size):
                raise RuntimeError(
                    f"einsum(): subscript {_shown(label)} has size {size} for operand {i} which "
                    f"does not broadcast with previously seen size {known}"
                )
            sizes[label] = max(known, size) if 0 not in (known, size) else 0
        terms.append(_diagonal(t, list(labels)))
    return terms, ellipsis


def _diagonal(t, labels):
    """A term in which no label is repeated."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            t = t.diagonal(0, i, j)
            labels = labels[:i] + labels[i + 1 : j] + labels[j + 1 :] + [label]
    return t, labels


def _output_labels(inputs, output, ellipsis):
    if output is None:
        flat = [label for labels in inputs for label in labels if label != ELLIPSIS]
        return ellipsis + sorted(label for label in set(flat) if flat.count(label) == 1)
    if ELLIPSIS in output:
        at = output.index(ELLIPSIS)
        return output[:at] + ellipsis + output[at + 1 :]
    return output


# ---- two operands, planned once ------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _plan(equation, n, m):
    """How to contract operands of ``n`` and ``m`` dimensions; None if not one matrix product."""
    inputs, output = _parse(equation)
    if len(inputs) == 2 and output is not None and (swapped := _swapped(inputs, output)):
        inputs = inputs[::-1]
        n, m = m, n
    else:
        swapped = False
    if len(inputs) != 2 or any(ELLIPSIS in x or len(set(x)) < len(x) for x in inputs):
        return None
    la, lb = inputs
    if len(la) != n or len(lb) != m:
        return None
    output = _output_labels(inputs, output, [])
    if len(set(output)) < len(output) or not set(output) <= {*la, *lb}:
        return None
    batch = [x for x in la if x in lb and x in output]
    inner = [x for x in la if x in lb and x not in output]
    left, right = [x for x in la if x not in lb], [x for x in lb if x not in la]
    if not inner or not {*left, *right} <= set(output):
        return None
    first = [la.index(x) for x in batch + left + inner]
    second = [lb.index(x) for x in batch + inner + right]
    made = batch + left + right
    last = [made.index(x) for x in output]
    shared = [(la.index(x), lb.index(x)) for x in batch + inner]
    counts = (len(batch), len(left), len(inner), len(right))
    return swapped, first, second, last, shared, counts


def _swapped(inputs, output):
    """Whether the second operand's own labels come first in the output: then it goes first."""
    alone = [x for x in output if (x in inputs[0]) != (x in inputs[1])]
    return bool(alone) and alone[0] in inputs[1]


def _planned(equation, a, b):
    """The contraction by :func:`_plan`; None where sizes are to broadcast."""
    plan = _plan(equation, a.ndim, b.ndim)
    if plan is None:
        return None
    swapped, first, second, last, shared, (batch, left, inner, right) = plan
    if swapped:
        a, b = b, a
    p, q = a.shape, b.shape
    if any(p[i] != q[j] for i, j in shared):
        return None
    x, y = _permuted(a, first), _permuted(b, second)
    shape = [*x.shape[: batch + left], *y.shape[batch + inner :]]
    if batch == 0 and left <= 1 and inner == 1 and right <= 1:
        product = x.matmul(y).reshape(shape)  # for the name of its grad_fn
    else:
        rows, columns = math.prod(shape[batch : batch + left]), math.prod(shape[batch + left :])
        depth = math.prod(x.shape[batch + left :])
        outer = math.prod(shape[:batch])
        x, y = x.reshape(outer, rows, depth), y.reshape(outer, depth, columns)
        product = x.bmm(y).reshape(shape)
    return _permuted(product, last)


def _permuted(t, order):
    return t if order == sorted(order) else t.permute(order)


# ---- contracting ---------------------------------------------------------------------------------


def _contract(terms, output):
    t, labels = terms[0]
    for i, (u, others) in enumerate(terms[1:], 1):
        keep = {label for _, later in terms[i + 1 :] for label in later} | set(output)
        t, labels = _pair(t, labels, u, others, keep)
    extra = [i for i, label in enumerate(labels) if label not in output]
    if extra:
        t = t.sum(extra)
        labels = [label for label in labels if label in output]
    order = [labels.index(label) for label in output]
    return t if order == list(range(len(order))) else t.permute(order)


def _pair(a, la, b, lb, keep):
    """One batched matrix product: labels in both are contracted, or batch if something later needs
    them."""
    a, la = _drop_ones(a, la, lb)
    b, lb = _drop_ones(b, lb, la)
    a, la = _sum_alone(a, la, lb, keep)
    b, lb = _sum_alone(b, lb, la, keep)
    batch = [x for x in la if x in lb and x in keep]
    inner = [x for x in la if x in lb and x not in keep]
    left, right = [x for x in la if x not in lb], [x for x in lb if x not in la]
    sizes = dict(zip(la, a.shape, strict=True)) | dict(zip(lb, b.shape, strict=True))
    count = [math.prod([sizes[x] for x in group]) for group in (batch, left, inner, right)]
    x = a.permute([la.index(n) for n in batch + left + inner])
    y = b.permute([lb.index(n) for n in batch + inner + right])
    if not inner:  # nothing is summed: a product that broadcasts
        product = x.reshape(count[0], count[1], 1) * y.reshape(count[0], 1, count[3])
    elif batch:
        product = x.reshape(count[0], count[1], count[2]).bmm(
            y.reshape(count[0], count[2], count[3])
        )
    else:
        product = x.reshape(count[1], count[2]).mm(y.reshape(count[2], count[3]))
    labels = batch + left + right
    return product.reshape([sizes[x] for x in labels]), labels


def _drop_ones(t, labels, others):
    """Without the size-one dimensions that broadcast against the other term."""
    ones = [i for i, x in enumerate(labels) if x in others and t.shape[i] == 1]
    for i in reversed(ones):
        t = t.squeeze(i)
    return t, [x for i, x in enumerate(labels) if i not in ones]


def _sum_alone(t, labels, others, keep):
    """With the labels that nobody else has summed out."""
    alone = [i for i, x in enumerate(labels) if x not in others and x not in keep]
    if alone:
        t = t.sum(alone)
    return t, [x for i, x in enumerate(labels) if i not in alone]
