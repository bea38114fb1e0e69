// The gradient of a linear layer's weight while nobody has looked at it: g^T x, kept as copies of g and x. Whoever reads
// `.grad` gets the tensor; an optimizer computes it by blocks that stay in the cache, and never writes it to memory.
#pragma once

#include "arrays.h"

namespace rushlight {

// g (rows, outputs) and x (rows, inputs), float32 or float64, contiguous.
struct OuterView {
  int type;
  size_t rows, outputs, inputs;
  const void *g, *x;
  PyObject *arrays[2];  // that have them
};

bool is_outer(PyObject *o);
// Of arrays whose last dimensions are outputs and inputs. Null without an error: not worth it, or not served.
PyObject *new_outer(PyObject *g, PyObject *x);
PyObject *outer_tensor(PyObject *outer);  // the tensor, computed at the first call; a new reference
bool outer_waits(PyObject *outer, OuterView &view);  // not computed yet?

// How many rows and columns of the product a block has.
void outer_block(const OuterView &o, size_t &rows, size_t &columns);
// Rows [row, row + rows) and columns [column, column + columns) of the product, to (rows, columns).
void outer_compute(const OuterView &o, size_t row, size_t rows, size_t column, size_t columns, void *to);

}  // namespace rushlight
