// Convolution of float32, float64 and bfloat16 arrays (N, C, and one to three dimensions), its transpose and the gradient of the filters:
// what Python calls, and the choice of the way to compute each.
#include "conv_drivers.h"
#include "float_array.h"

#include <cstring>
#include <utility>

namespace rushlight {
namespace {

// The last n of three numbers from a tuple of n ints; the ones before stay.
bool read(PyObject *tuple, size_t n, size_t least, size_t *to) {
  if (!PyTuple_Check(tuple) || (size_t)PyTuple_GET_SIZE(tuple) != n) return false;
  for (size_t i = 0; i < n; i++) {
    long v = PyLong_AsLong(PyTuple_GET_ITEM(tuple, (Py_ssize_t)i));
    if (v < (long)least) return false;
    to[3 - n + i] = (size_t)v;
  }
  return true;
}

// The sizes of the convolution from `x` of shape (N, C, in) to (N, O, out) and what Python gives about it.
bool describe(ConvCall &c, int n, PyObject *stride, PyObject *padding, PyObject *dilation, PyObject *groups) {
  for (int a = 0; a < 3 - n; a++) {
    c.in[a] = c.out[a] = c.kernel[a] = c.stride[a] = c.dilation[a] = 1;
    c.padding[a] = 0;
  }
  long g = PyLong_AsLong(groups);
  if (g < 1 || !read(stride, (size_t)n, 1, c.stride) || !read(padding, (size_t)n, 0, c.padding) ||
      !read(dilation, (size_t)n, 1, c.dilation))
    return false;
  c.groups = (size_t)g;
  return true;
}

// Do the sizes belong together, and is there anything to do? `open`: `in` may be longer than what the outputs meet.
bool fits(const ConvCall &c, bool open) {
  if (!c.samples || !c.channels || !c.outputs || c.channels % c.groups || c.outputs % c.groups) return false;
  for (int a = 0; a < 3; a++) {
    if (!c.in[a] || !c.out[a] || !c.kernel[a]) return false;
    size_t have = c.in[a] + 2 * c.padding[a], reach = c.dilation[a] * (c.kernel[a] - 1) + 1;
    if (have < reach && !open) return false;
    size_t out = have < reach ? 0 : (have - reach) / c.stride[a] + 1;
    if (out != c.out[a] && !(open && out + 1 >= c.out[a])) return false;
  }
  return true;
}

PyObject *array_of(size_t first, size_t second, const size_t *rest, int n, int type) {
  npy_intp dims[5] = {(npy_intp)first, (npy_intp)second};
  for (int i = 0; i < n; i++) dims[2 + i] = (npy_intp)rest[3 - n + i];
  return new_array(n + 2, dims, type);
}

void sizes(const FloatArray &x, size_t *to) {
  for (int i = 2, n = x.ndim() - 2; i < x.ndim(); i++) to[3 - n + i - 2] = x.dim(i);
}

// bias, or None: one number each
bool bias_fits(const FloatArray &bias, PyObject *given, size_t n, int type) {
  return given == Py_None || (bias.array && bias.ndim() == 1 && bias.dim(0) == n && bias.type() == type);
}

constexpr size_t SMALL = 1 << 17;  // multiplications that one thread does in some microseconds

// The forms for the arrays' type
using Operation = void (*)(const ConvCall &, const float *, const float *, const float *, float *);
using Operation64 = void (*)(const ConvCall &, const double *, const double *, const double *, double *);
using Operation16 = void (*)(const ConvCall &, const uint16_t *, const uint16_t *, const uint16_t *, uint16_t *);
PyObject *compute(const ConvCall &c, const FloatArray &a, const FloatArray &b, const FloatArray &bias, PyObject *out, Operation f32,
                  Operation64 f64, Operation16 bf16) {
  if (!out) return nullptr;
  const float *shift = bias.array ? bias.data() : nullptr;
  size_t work = c.samples * c.outputs * (c.channels / c.groups);
  for (int i = 0; i < 3; i++) work *= c.out[i] * c.kernel[i];
  Alone small(work < SMALL);
  Py_BEGIN_ALLOW_THREADS
  if (a.type() == NPY_FLOAT32)
    f32(c, a.data(), b.data(), shift, data_of<float>(out));
  else if (a.type() == bfloat16_type)
    bf16(c, data_of<uint16_t>(a.array), data_of<uint16_t>(b.array), (const uint16_t *)shift, data_of<uint16_t>(out));
  else
    f64(c, data_of<double>(a.array), data_of<double>(b.array), (const double *)shift, data_of<double>(out));
  Py_END_ALLOW_THREADS
  return out;
}

// Is there a way for numbers of this type?
bool served(const ConvCall &c, const FloatArray &x, bool back) { return x.type() != bfloat16_type || pairs_serve(c, back); }

PyObject *unserved() { return PyErr_Occurred() ? nullptr : not_implemented(); }

// The way that serves, once steps that a kernel of one element makes are out of the way.
void forward(const ConvCall &c, const float *x, const float *filters, const float *bias, float *y) {
  if (skips(c)) {
    Buffer met(c.samples * c.channels * c.out_plane());
    take_met(c, x, met);
    forward(without_steps(c), met, filters, bias, y);
  } else if (depthwise_serves(c)) {
    depthwise_forward(c, x, filters, bias, y);
  } else if (few_serves(c)) {
    few_forward(c, x, filters, bias, y);
  } else if (pointwise_serves(c)) {
    pointwise_forward(c, x, filters, bias, y);
  } else if (winograd_serves(c)) {
    winograd_forward(c, x, filters, bias, y);
  } else {
    direct_forward(c, x, filters, bias, y);
  }
}

void to_input(const ConvCall &c, const float *g, const float *filters, const float *bias, float *dx) {
  if (skips(c)) {
    Buffer met(c.samples * c.channels * c.out_plane());
    to_input(without_steps(c), g, filters, bias, met);
    put_met(c, met, bias, dx);
  } else if (depthwise_serves(c)) {
    depthwise_input(c, g, filters, bias, dx);
  } else if (pointwise_serves(c)) {
    pointwise_input(c, g, filters, bias, dx);
  } else if (winograd_serves(c)) {
    winograd_input(c, g, filters, bias, dx);
  } else {
    direct_input(c, g, filters, bias, dx);
  }
}

void to_filters(const ConvCall &c, const float *g, const float *x, float *df) {
  if (skips(c)) {
    Buffer met(c.samples * c.channels * c.out_plane());
    take_met(c, x, met);
    to_filters(without_steps(c), g, met, df);
  } else if (depthwise_serves(c)) {
    depthwise_filters(c, g, x, df);
  } else if (winograd_serves(c)) {
    winograd_filters(c, g, x, df);
  } else {
    direct_filters(c, g, x, df);
  }
}

// convolution(x, filters, bias, stride, padding, dilation, groups)
PyObject *convolution(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 7) return not_implemented();
  FloatArray x(args[0], true, true), filters(args[1], true, true), bias(args[2], true, true);
  if (!x.array || !filters.array || x.type() != filters.type() || x.ndim() < 3 || x.ndim() > 5 || filters.ndim() != x.ndim()) return unserved();
  int n = x.ndim() - 2;
  ConvCall c;
  if (!describe(c, n, args[3], args[4], args[5], args[6])) return unserved();
  c.samples = x.dim(0);
  c.channels = x.dim(1);
  c.outputs = filters.dim(0);
  sizes(x, c.in);
  sizes(filters, c.kernel);
  for (int a = 3 - n; a < 3; a++) {
    size_t have = c.in[a] + 2 * c.padding[a], reach = c.dilation[a] * (c.kernel[a] - 1) + 1;
    if (!c.kernel[a] || have < reach) return not_implemented();
    c.out[a] = (have - reach) / c.stride[a] + 1;
  }
  if (!fits(c, false) || !served(c, x, false) || filters.dim(1) * c.groups != c.channels) return not_implemented();
  if (!bias_fits(bias, args[2], c.outputs, x.type())) return unserved();
  return compute(c, x, filters, bias, array_of(c.samples, c.outputs, c.out, n, x.type()), forward, columns_forward, pairs_forward);
}

// conv_transpose(x, filters, bias, shape, stride, padding, dilation, groups): from what a convolution gives to what it
// takes, of that shape
PyObject *conv_transpose(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 8) return not_implemented();
  FloatArray g(args[0], true, true), filters(args[1], true, true), bias(args[2], true, true);
  if (!g.array || !filters.array || g.type() != filters.type() || g.ndim() < 3 || g.ndim() > 5 || filters.ndim() != g.ndim()) return unserved();
  int n = g.ndim() - 2;
  ConvCall c;
  if (!describe(c, n, args[4], args[5], args[6], args[7])) return unserved();
  if (!PyTuple_Check(args[3]) || PyTuple_GET_SIZE(args[3]) != n + 2) return not_implemented();
  c.samples = g.dim(0);
  c.outputs = g.dim(1);
  sizes(g, c.out);
  sizes(filters, c.kernel);
  size_t shape[5];
  for (int i = 0; i < n + 2; i++) {
    long v = PyLong_AsLong(PyTuple_GET_ITEM(args[3], i));
    if (v < 1) return unserved();
    shape[i] = (size_t)v;
  }
  c.channels = shape[1];
  for (int i = 0; i < n; i++) c.in[3 - n + i] = shape[2 + i];
  if (shape[0] != c.samples || filters.dim(0) != c.outputs || filters.dim(1) * c.groups != c.channels || !fits(c, true) ||
      !served(c, g, true))
    return not_implemented();
  if (!bias_fits(bias, args[2], c.channels, g.type())) return unserved();
  return compute(c, g, filters, bias, array_of(c.samples, c.channels, c.in, n, g.type()), to_input, columns_input, pairs_input);
}

// conv_weight(g, x, shape, stride, padding, dilation, groups)
PyObject *conv_weight(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 7) return not_implemented();
  FloatArray g(args[0], true, true), x(args[1], true, true), none;
  if (!g.array || !x.array || g.type() != x.type() || x.ndim() < 3 || x.ndim() > 5 || g.ndim() != x.ndim()) return unserved();
  int n = x.ndim() - 2;
  ConvCall c;
  if (!describe(c, n, args[3], args[4], args[5], args[6])) return unserved();
  if (!PyTuple_Check(args[2]) || PyTuple_GET_SIZE(args[2]) != n + 2) return not_implemented();
  c.samples = x.dim(0);
  c.channels = x.dim(1);
  c.outputs = g.dim(1);
  sizes(x, c.in);
  sizes(g, c.out);
  for (int i = 0; i < n; i++) {
    long v = PyLong_AsLong(PyTuple_GET_ITEM(args[2], 2 + i));
    if (v < 1) return unserved();
    c.kernel[3 - n + i] = (size_t)v;
  }
  if (g.dim(0) != c.samples || !fits(c, false) || !served(c, x, false) ||
      PyLong_AsLong(PyTuple_GET_ITEM(args[2], 0)) != (long)c.outputs ||
      PyLong_AsLong(PyTuple_GET_ITEM(args[2], 1)) != (long)(c.channels / c.groups))
    return unserved();
  PyObject *out = array_of(c.outputs, c.channels / c.groups, c.kernel, n, x.type());
  return compute(
      c, g, x, none, out,
      [](const ConvCall &c, const float *g, const float *x, const float *, float *df) { to_filters(c, g, x, df); },
      [](const ConvCall &c, const double *g, const double *x, const double *, double *df) { columns_filters(c, g, x, df); },
      pairs_filters);
}

#define METHOD(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, text}
PyMethodDef methods[] = {
    METHOD(convolution, "convolution(x, filters, bias, stride, padding, dilation, groups) -> array, or NotImplemented"),
    METHOD(conv_transpose, "conv_transpose(x, filters, bias, shape, stride, padding, dilation, groups)"),
    METHOD(conv_weight, "conv_weight(gradient, x, shape, stride, padding, dilation, groups)"),
    {nullptr},
};

}  // namespace

bool add_conv(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
