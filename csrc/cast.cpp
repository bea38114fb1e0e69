// Arrays in another type. Half precision goes through float32, a few thousand elements at a time.
#include "around.h"
#include "copy.h"
#include "half.h"

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

// n elements of type `from` made elements of type `to`.
void convert(int from, int to, const char *x, size_t x_item, char *out, size_t out_item, size_t n) {
  if (from < BFLOAT16 && to < BFLOAT16) return kernels->casts.of[from][to](x, out, n);
  if (from >= BFLOAT16 && to == F32) return widen(from - BFLOAT16, x, (float *)out, n);
  if (from == F32) return narrow(to - BFLOAT16, (const float *)x, out, n);
  float block[BLOCK];
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t k = n - i < BLOCK ? n - i : BLOCK;
    if (from >= BFLOAT16) widen(from - BFLOAT16, x + i * x_item, block, k);
    else kernels->casts.of[from][F32](x + i * x_item, block, k);
    if (to >= BFLOAT16) narrow(to - BFLOAT16, block, out + i * out_item, k);
    else kernels->casts.of[F32][to](block, out + i * out_item, k);
  }
}

// cast(x, dtype): x.astype(dtype), in the same order of memory; always a new array.
PyObject *cast(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2 || !PyArray_DescrCheck(args[1])) return not_implemented();
  PyArray_Descr *wanted = (PyArray_Descr *)args[1];
  PyObject *out = PyArray_ISNBO(wanted->byteorder) ? as_type(args[0], wanted->type_num) : nullptr;
  return out || PyErr_Occurred() ? out : not_implemented();
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

PyObject *as_type(PyObject *given, int type) {
  if (!movable(given)) return nullptr;
  PyArrayObject *x = (PyArrayObject *)given;
  int from = type_index(PyArray_TYPE(x)), to = type_index(type);
  if (from < 0 || to < 0 || from == to) return nullptr;
  Held out(new_like(x, PyArray_DescrFromType(type), true)), copy;
  if (!out) return nullptr;
  copy.set(without_gaps(given));
  if (!copy) return nullptr;
  x = (PyArrayObject *)copy.get();
  const char *f = PyArray_BYTES(x);
  char *t = data_of<char>(out.get());
  size_t x_item = (size_t)PyArray_ITEMSIZE(x), out_item = (size_t)PyArray_ITEMSIZE((PyArrayObject *)out.get());
  auto work = [=](size_t i, size_t j, char *at) { convert(from, to, f + i * x_item, x_item, at, out_item, j - i); };
  // What is widened is about to be used, and stays in the cache.
  if (from >= BFLOAT16) share(size_of(out.get()), 1, [=](size_t i, size_t j) { work(i, j, t + i * out_item); });
  else share_out(size_of(out.get()), 1, out_item, t, work);
  return out.release();
}

bool add_cast(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
