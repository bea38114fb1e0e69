// Arrays in another type. Half precision goes through float32, a few thousand elements at a time.
#include "copy.h"
#include "kernels.h"

namespace rushlight {

int bfloat16_type = -1;

namespace {

constexpr int BFLOAT16 = 8, FLOAT16 = 9, NO_TYPE = -1;
constexpr int F32 = 6;
constexpr size_t BLOCK = 2048;

// A type in the order of Casts, then the half precision ones.
int type_index(int type) {
  switch (type) {
    case NPY_BOOL: return 0;
    case NPY_UBYTE: return 1;
    case NPY_BYTE: return 2;
    case NPY_SHORT: return 3;
    case NPY_INT: return 4;
    case NPY_LONG: return sizeof(long) == 8 ? 5 : 4;
    case NPY_LONGLONG: return 5;
    case NPY_FLOAT: return 6;
    case NPY_DOUBLE: return 7;
    case NPY_HALF: return FLOAT16;
    default: return type == bfloat16_type ? BFLOAT16 : NO_TYPE;
  }
}

void widen(int half, const void *x, void *out, size_t n) {
  kernels->optimizers.widen[half - BFLOAT16]((const uint16_t *)x, (float *)out, n);
}
void narrow(int half, const void *x, void *out, size_t n) {
  kernels->optimizers.narrow[half - BFLOAT16]((const float *)x, (uint16_t *)out, n);
}

// n elements of type `from` made elements of type `to`.
void convert(int from, int to, const char *x, size_t x_item, char *out, size_t out_item, size_t n) {
  if (from < BFLOAT16 && to < BFLOAT16) return kernels->casts.of[from][to](x, out, n);
  if (from >= BFLOAT16 && to == F32) return widen(from, x, out, n);
  if (from == F32) return narrow(to, x, out, n);
  float block[BLOCK];
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t k = n - i < BLOCK ? n - i : BLOCK;
    if (from >= BFLOAT16) widen(from, x + i * x_item, block, k);
    else kernels->casts.of[from][F32](x + i * x_item, block, k);
    if (to >= BFLOAT16) narrow(to, block, out + i * out_item, k);
    else kernels->casts.of[F32][to](block, out + i * out_item, k);
  }
}

// Do the elements fill their memory without gaps, in whatever order of the dimensions?
bool dense(PyArrayObject *x) {
  if (PyArray_IS_C_CONTIGUOUS(x) || PyArray_IS_F_CONTIGUOUS(x)) return true;
  npy_intp step = PyArray_ITEMSIZE(x);
  for (int seen = 0; seen < PyArray_NDIM(x);) {  // find what comes next; sizes of 1 are anywhere
    int before = seen;
    for (int d = 0; d < PyArray_NDIM(x); d++) {
      if (PyArray_DIM(x, d) == 1) continue;
      if (PyArray_STRIDE(x, d) == step) {
        step *= PyArray_DIM(x, d);
        seen++;
      }
    }
    if (seen == before) break;
  }
  return step == PyArray_SIZE(x) * PyArray_ITEMSIZE(x);
}

// cast(x, dtype): x.astype(dtype), in the same order of memory; always a new array.
PyObject *cast(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !movable(args[0]) || !PyArray_DescrCheck(args[1])) return not_implemented();
  PyArray_Descr *wanted = (PyArray_Descr *)args[1];
  PyArrayObject *x = (PyArrayObject *)args[0];
  int from = type_index(PyArray_TYPE(x)), to = type_index(wanted->type_num);
  if (from < 0 || to < 0 || from == to || !PyArray_ISNBO(wanted->byteorder)) return not_implemented();
  Py_INCREF(wanted);
  Held out(new_like(x, wanted, true)), copy;
  if (!out) return nullptr;
  if (!dense(x)) {  // the gaps first
    copy.set(new_like(x, nullptr, true));
    if (!copy) return nullptr;
    PyArrayObject *c = (PyArrayObject *)copy.get();
    copy_strided(PyArray_NDIM(x), PyArray_DIMS(x), PyArray_BYTES(x), PyArray_STRIDES(x), PyArray_BYTES(c),
                 PyArray_STRIDES(c), (size_t)PyArray_ITEMSIZE(x));
    x = c;
  }
  const char *f = PyArray_BYTES(x);
  char *t = data_of<char>(out.get());
  size_t x_item = (size_t)PyArray_ITEMSIZE(x), out_item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out.get());
  share(size_of(out.get()), 1, [=](size_t i, size_t j) {
    convert(from, to, f + i * x_item, x_item, t + i * out_item, out_item, j - i);
  });
  return out.release();
}

// casts_bfloat16(dtype): which type that is
PyObject *casts_bfloat16(PyObject *, PyObject *d) {
  if (!PyArray_DescrCheck(d)) return PyErr_Format(PyExc_TypeError, "casts_bfloat16 takes a dtype");
  bfloat16_type = ((PyArray_Descr *)d)->type_num;
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"cast", (PyCFunction)(void (*)(void))cast, METH_FASTCALL, "cast(x, dtype) -> array, or NotImplemented"},
    {"casts_bfloat16", casts_bfloat16, METH_O, "casts_bfloat16(dtype): the type that ml_dtypes registered"},
    {nullptr},
};

}  // namespace

bool add_cast(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
