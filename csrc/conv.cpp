// conv2d(x, weight, bias, stride, padding, dilation) of float32 arrays: pads each image, packs the filters, and shares
// the panels of pixels among the threads.
#include "arrays.h"
#include "kernels.h"

#include <cstring>
#include <memory>

namespace rushlight {
namespace {

bool served(PyObject *x, int ndim) {
  return plain(x) && type_of(x) == NPY_FLOAT32 && PyArray_NDIM((PyArrayObject *)x) == ndim;
}

size_t dim(PyObject *x, int i) { return (size_t)PyArray_DIM((PyArrayObject *)x, i); }

// The overrun of whole-vector reads and writes past the end of a buffer.
constexpr size_t SLACK = 64;

// (C, h, w) -> (C, height, width) with a frame of zeros that is there already
void place(const Convolution &c, const float *x, size_t h, size_t w, size_t top, size_t left, float *image) {
  for (size_t i = 0; i < c.channels; i++)
    for (size_t y = 0; y < h; y++)
      std::memcpy(image + (i * c.height + y + top) * c.width + left, x + (i * h + y) * w, w * sizeof(float));
}

struct Job {
  Convolution c;
  const float *x, *packed, *bias;
  float *out;
  size_t h, w, top, left, panels;

  // Panels [first, last), counted through all images.
  void run(size_t first, size_t last) const {
    size_t k = c.channels * c.kernel_y * c.kernel_x, size = c.channels * c.height * c.width;
    std::unique_ptr<float[]> image(new float[size + SLACK]()), buffer(new float[k * kernels->conv.panel_width + SLACK]);
    size_t held = ~size_t(0), plane = c.out_height * c.out_width;
    for (size_t p = first; p < last; p++) {
      size_t n = p / panels;
      if (n != held) {
        place(c, x + n * c.channels * h * w, h, w, top, left, image.get());
        held = n;
      }
      kernels->conv.panel(c, image.get(), packed, bias, out + n * c.outputs * plane,
                          p % panels * kernels->conv.panel_width, buffer.get());
    }
  }
};

// Fills in the geometry from x (N, C, H, W), the filters' sizes and six ints (strides, paddings, dilations).
// 1: well; 0: not served; -1: a Python error.
int describe(Job &job, PyObject *x, size_t outputs, size_t kernel_y, size_t kernel_x, PyObject *const *ints) {
  long v[6];
  for (int i = 0; i < 6; i++) {
    v[i] = PyLong_AsLong(ints[i]);
    if (v[i] < (i == 2 || i == 3 ? 0 : 1)) return PyErr_Occurred() ? -1 : 0;
  }
  Convolution &c = job.c;
  job.h = dim(x, 2);
  job.w = dim(x, 3);
  job.top = (size_t)v[2];
  job.left = (size_t)v[3];
  c.channels = dim(x, 1);
  c.height = job.h + 2 * job.top;
  c.width = job.w + 2 * job.left;
  c.outputs = outputs;
  c.kernel_y = kernel_y;
  c.kernel_x = kernel_x;
  c.stride_y = (size_t)v[0];
  c.stride_x = (size_t)v[1];
  c.dilation_y = (size_t)v[4];
  c.dilation_x = (size_t)v[5];
  if (!size_of(x) || !outputs || !kernel_y || !kernel_x) return 0;
  size_t reach_y = c.dilation_y * (kernel_y - 1) + 1, reach_x = c.dilation_x * (kernel_x - 1) + 1;
  if (reach_y > c.height || reach_x > c.width) return 0;
  c.out_height = (c.height - reach_y) / c.stride_y + 1;
  c.out_width = (c.width - reach_x) / c.stride_x + 1;
  return 1;
}

// conv2d(x (N, C, H, W), weight (O, C, KH, KW), bias (O) or None, six ints: strides, paddings, dilations)
PyObject *conv2d(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 9 || !served(args[0], 4) || !served(args[1], 4)) return not_implemented();
  PyObject *x = args[0], *weight = args[1], *bias = args[2];
  if (bias != Py_None && (!served(bias, 1) || dim(bias, 0) != dim(weight, 0))) return not_implemented();
  Job job;
  int fits = describe(job, x, dim(weight, 0), dim(weight, 2), dim(weight, 3), args + 3);
  if (fits < 1) return fits ? nullptr : not_implemented();
  Convolution &c = job.c;
  size_t samples = dim(x, 0);
  if (dim(weight, 1) != c.channels || !size_of(weight)) return not_implemented();
  npy_intp shape[4] = {(npy_intp)samples, (npy_intp)c.outputs, (npy_intp)c.out_height, (npy_intp)c.out_width};
  PyObject *out = PyArray_SimpleNew(4, shape, NPY_FLOAT32);
  if (!out) return nullptr;
  job.x = data_of<float>(x);
  job.bias = bias == Py_None ? nullptr : data_of<float>(bias);
  job.out = data_of<float>(out);
  const Conv &kernel = kernels->conv;
  job.panels = (c.out_height * c.out_width + kernel.panel_width - 1) / kernel.panel_width;
  size_t k = c.channels * c.kernel_y * c.kernel_x, rows = kernel.tile_rows;
  const float *filters = data_of<float>(weight);
  Py_BEGIN_ALLOW_THREADS
  std::unique_ptr<float[]> packed(new float[(c.outputs + rows - 1) / rows * rows * k]);
  kernel.pack(filters, c.outputs, k, packed.get());
  job.packed = packed.get();
  size_t total = samples * job.panels, work = 2 * k * c.outputs * kernel.panel_width;
  size_t grain = 500000 / work + 1, share = total / (2 * (size_t)num_threads()) + 1;
  parallel(total, grain > share ? grain : share, [&](size_t i, size_t j) { job.run(i, j); });
  Py_END_ALLOW_THREADS
  return out;
}

// conv2d_weight(gradient (N, O, OH, OW), x (N, C, H, W), kernel_y, kernel_x, six ints) -> (O, C, KH, KW)
PyObject *conv2d_weight(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 10 || !served(args[0], 4) || !served(args[1], 4)) return not_implemented();
  PyObject *g = args[0], *x = args[1];
  size_t kernel_y = PyLong_AsSize_t(args[2]), kernel_x = PyLong_AsSize_t(args[3]);
  if (PyErr_Occurred()) return nullptr;
  Job job;
  int fits = describe(job, x, dim(g, 1), kernel_y, kernel_x, args + 4);
  if (fits < 1) return fits ? nullptr : not_implemented();
  Convolution &c = job.c;
  size_t samples = dim(x, 0), plane = c.out_height * c.out_width, k = c.channels * kernel_y * kernel_x;
  if (dim(g, 0) != samples || dim(g, 2) != c.out_height || dim(g, 3) != c.out_width) return not_implemented();
  npy_intp shape[4] = {(npy_intp)c.outputs, (npy_intp)c.channels, (npy_intp)kernel_y, (npy_intp)kernel_x};
  PyObject *out = PyArray_SimpleNew(4, shape, NPY_FLOAT32);
  if (!out) return nullptr;
  const float *from = data_of<float>(x), *gradient = data_of<float>(g);
  float *to = data_of<float>(out);
  size_t vector = kernels->conv.vector, padded = (c.outputs + vector - 1) / vector * vector;
  // Each part of the batch has a sum of its own; they are added in order, so the bits do not depend on who was first.
  size_t parts = num_threads() > 1 ? 2 * (size_t)num_threads() : 1;
  if (parts > samples) parts = samples;
  Py_BEGIN_ALLOW_THREADS
  std::unique_ptr<float[]> sums(new float[parts * k * padded]());
  parallel(parts, 1, [&](size_t i, size_t j) {
    std::unique_ptr<float[]> image(new float[c.channels * c.height * c.width + SLACK]());
    std::unique_ptr<float[]> turned(new float[plane * padded]);
    for (; i < j; i++)
      for (size_t n = i * samples / parts; n < (i + 1) * samples / parts; n++) {
        place(c, from + n * c.channels * job.h * job.w, job.h, job.w, job.top, job.left, image.get());
        kernels->conv.weight_gradient(c, image.get(), gradient + n * c.outputs * plane, turned.get(),
                                      sums.get() + i * k * padded);
      }
  });
  for (size_t i = 1; i < parts; i++)
    for (size_t n = 0; n < k * padded; n++) sums[n] += sums[i * k * padded + n];
  for (size_t o = 0; o < c.outputs; o++)
    for (size_t n = 0; n < k; n++) to[o * k + n] = sums[n * padded + o];
  Py_END_ALLOW_THREADS
  return out;
}

PyMethodDef methods[] = {
    {"conv2d_weight", (PyCFunction)(void (*)(void))conv2d_weight, METH_FASTCALL,
     "conv2d_weight(gradient, x, kernel_y, kernel_x, and the six ints of conv2d)"},
    {"conv2d", (PyCFunction)(void (*)(void))conv2d, METH_FASTCALL,
     "conv2d(x, weight, bias, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x)"},
    {nullptr},
};

}  // namespace

bool add_conv(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
