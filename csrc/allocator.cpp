#include "allocator.h"

#include "blocks.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

// Python.h of 3.11 declares PyTraceMalloc_Track without extern "C".
#ifdef __linux__
extern "C" int track_memory(unsigned int domain, uintptr_t block, size_t bytes) __asm__("PyTraceMalloc_Track");
#else
static int track_memory(unsigned int, uintptr_t, size_t) { return 0; }
#endif

namespace rushlight {
namespace {

constexpr unsigned TRACE_DOMAIN = 389047;  // numpy.lib.tracemalloc_domain

// Arrays up to here stay NumPy's, which has a cache for them: it is 9 ns faster (of the 110 that an addition takes).
constexpr size_t SMALL = 2048;

// A class of blocks as NumPy's handler of memory. NumPy tells `release` the size it computes from the array's shape, and
// `resize` only the new one; the class comes from here.
struct Owner {
  PyDataMem_Handler handler;
  PyObject *capsule;
  int number;
};

Owner *owners[CLASSES];
bool works = false;  // does NumPy keep to what we know of it?

// Blocks that are of another class than their owner: those of arrays that were resized. Usually none.
struct Moved {
  std::atomic<size_t> count{0};
  std::mutex mutex;
  std::unordered_map<void *, int> classes;

  void add(void *block, int number) {
    std::lock_guard<std::mutex> lock(mutex);
    classes[block] = number;
    count = classes.size();
  }
};
Moved &moved = *new Moved;

// The class of a block that is about to be given back.
int forget_class(const Owner *owner, void *block) {
  if (!moved.count.load(std::memory_order_acquire)) return owner->number;
  std::lock_guard<std::mutex> lock(moved.mutex);
  auto found = moved.classes.find(block);
  if (found == moved.classes.end()) return owner->number;
  int number = found->second;
  moved.classes.erase(found);
  moved.count = moved.classes.size();
  return number;
}

size_t released = 0;  // blocks, for the self-test below

void *take(void *context, size_t size) {
  int number = class_of(size ? size : 1);
  bool zeroed;
  void *block = number < CLASSES ? take_block(number, zeroed) : nullptr;
  if (block && number != static_cast<Owner *>(context)->number) moved.add(block, number);
  return block;
}

void *take_zeros(void *context, size_t count, size_t item) {
  if (item && count > SIZE_MAX / item) return nullptr;
  void *block = take(context, count * item);
  if (block) std::memset(block, 0, count * item);
  return block;
}

void release(void *context, void *block, size_t) {
  if (!block) return;
  released++;
  give_block(forget_class(static_cast<Owner *>(context), block), block);
}

void *resize(void *context, void *block, size_t size) {
  if (!block) return take(context, size);
  Owner *owner = static_cast<Owner *>(context);
  int number = forget_class(owner, block);
  size_t have = class_size(number);
  if (size <= have && size >= have / 2) {
    if (number != owner->number) moved.add(block, number);
    return block;
  }
  void *larger = take(context, size);
  if (larger) {
    std::memcpy(larger, block, size < have ? size : have);
    give_block(number, block);
  } else if (number != owner->number) {
    moved.add(block, number);
  }
  return larger;
}

Owner *owner_of(int number) {
  if (owners[number]) return owners[number];
  Owner *made = new Owner{};
  std::strcpy(made->handler.name, "rushlight");
  made->handler.version = 1;
  made->handler.allocator = {made, take, take_zeros, resize, release};
  made->number = number;
  made->capsule = PyCapsule_New(&made->handler, "mem_handler", nullptr);
  if (!made->capsule) {
    delete made;
    return nullptr;
  }
  return owners[number] = made;
}

PyObject *&handler_of(PyObject *array) { return reinterpret_cast<PyArrayObject_fields *>(array)->mem_handler; }

// The bytes of an array; 0 for what NumPy shall allocate, or refuse, itself.
size_t bytes_of(const PyArray_Descr *type, int ndim, const npy_intp *dims) {
  if (PyDataType_REFCHK(type) || PyDataType_HASSUBARRAY(type) || PyDataType_ELSIZE(type) <= 0) return 0;
  size_t bytes = static_cast<size_t>(PyDataType_ELSIZE(type));
  for (int i = 0; i < ndim; i++) {
    if (dims[i] <= 0 || bytes > (size_t(1) << 45) / static_cast<size_t>(dims[i])) return 0;
    bytes *= static_cast<size_t>(dims[i]);
  }
  return bytes;
}

PyObject *numpys(PyArray_Descr *type, int ndim, const npy_intp *dims, bool zeros, const npy_intp *strides = nullptr) {
  if (zeros) return PyArray_Zeros(ndim, const_cast<npy_intp *>(dims), type, 0);
  return PyArray_NewFromDescr(&PyArray_Type, type, ndim, const_cast<npy_intp *>(dims), const_cast<npy_intp *>(strides),
                              nullptr, 0, nullptr);
}

void clear(void *block, size_t bytes) {
  share(bytes / 4, 1, [=](size_t i, size_t j) { std::memset(static_cast<char *>(block) + 4 * i, 0, 4 * (j - i)); });
  std::memset(static_cast<char *>(block) + bytes / 4 * 4, 0, bytes % 4);
}

PyObject *own(PyArray_Descr *type, int ndim, const npy_intp *dims, size_t bytes, bool zeros,
              const npy_intp *strides = nullptr) {
  int number = class_of(bytes);
  bool zeroed = false;
  void *block = number < CLASSES ? take_block(number, zeroed) : nullptr;
  Owner *owner = block ? owner_of(number) : nullptr;
  if (!owner) {
    if (block) give_block(number, block);
    return numpys(type, ndim, dims, zeros, strides);
  }
  if (zeros && !zeroed) clear(block, bytes);
  PyObject *array = PyArray_NewFromDescr(&PyArray_Type, type, ndim, const_cast<npy_intp *>(dims),
                                         const_cast<npy_intp *>(strides), block, NPY_ARRAY_CARRAY, nullptr);
  if (!array) {
    give_block(number, block);
    return nullptr;
  }
  handler_of(array) = Py_NewRef(owner->capsule);
  PyArray_ENABLEFLAGS(reinterpret_cast<PyArrayObject *>(array), NPY_ARRAY_OWNDATA);
  track_memory(TRACE_DOMAIN, reinterpret_cast<uintptr_t>(block), bytes);
  return array;
}

// The place of the handler in an array is not part of NumPy's documentation: look whether it is where we think, and
// whether an array with ours is resized and freed through it.
bool test() {
  npy_intp three = 3, many = 4096;
  PyObject *array = numpys(PyArray_DescrFromType(NPY_FLOAT32), 1, &three, false), *usual = PyDataMem_GetHandler();
  bool fine = array && usual && handler_of(array) == usual;
  Py_XDECREF(usual);
  Py_XDECREF(array);
  if (!fine) return false;
  size_t before = released;
  array = own(PyArray_DescrFromType(NPY_FLOAT32), 1, &three, 12, false);
  if (!array) return false;
  PyArray_Dims larger = {&many, 1};
  PyObject *none = PyArray_Resize(reinterpret_cast<PyArrayObject *>(array), &larger, 0, NPY_CORDER);
  fine = none && PyArray_SIZE(reinterpret_cast<PyArrayObject *>(array)) == many && moved.classes.size() == 1;
  Py_XDECREF(none);
  Py_DECREF(array);
  return fine && released == before + 1 && moved.classes.empty();
}

PyObject *py_new(PyObject *const *args, Py_ssize_t given, bool zeros) {
  if (given != 2) return PyErr_Format(PyExc_TypeError, "expected a shape and a dtype");
  PyArray_Dims shape = {nullptr, 0};
  PyArray_Descr *type = nullptr;
  if (!PyArray_IntpConverter(args[0], &shape)) return nullptr;
  PyObject *made = nullptr;
  if (PyArray_DescrConverter(args[1], &type)) made = new_array_of(type, shape.len, shape.ptr, zeros);
  PyDimMem_FREE(shape.ptr);
  return made;
}

PyObject *empty(PyObject *, PyObject *const *args, Py_ssize_t given) { return py_new(args, given, false); }
PyObject *zeros(PyObject *, PyObject *const *args, Py_ssize_t given) { return py_new(args, given, true); }

PyObject *empty_like(PyObject *, PyObject *const *args, Py_ssize_t given) {
  PyArray_Descr *type = nullptr;
  if (given != 2 || !PyArray_Check(args[0])) return PyErr_Format(PyExc_TypeError, "expected an array and a dtype or None");
  if (args[1] != Py_None && !PyArray_DescrConverter(args[1], &type)) return nullptr;
  return new_like((PyArrayObject *)args[0], type, true);
}

PyObject *memory_stats(PyObject *, PyObject *) {
  BlockStats s = block_stats();
  return Py_BuildValue("{s:n,s:n,s:n,s:n,s:n,s:K,s:K,s:K}", "allocated_bytes", s.allocated, "reserved_bytes",
                       s.allocated + s.cached, "peak_allocated_bytes", s.peak, "peak_reserved_bytes", s.peak_reserved,
                       "cache_limit_bytes", s.limit, "live_blocks", (unsigned long long)s.live, "allocations",
                       (unsigned long long)s.taken, "cache_hits", (unsigned long long)s.hits);
}

PyObject *empty_cache(PyObject *, PyObject *) {
  drop_blocks(0);
  Py_RETURN_NONE;
}

PyObject *reset_peaks(PyObject *, PyObject *) {
  reset_block_peaks();
  Py_RETURN_NONE;
}

PyObject *set_cache_limit(PyObject *, PyObject *value) {
  size_t bytes = PyLong_AsSize_t(value);
  if (bytes == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  set_block_limit(bytes);
  Py_RETURN_NONE;
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL
PyMethodDef methods[] = {
    {"empty", FAST(empty), "empty(shape, dtype) -> array: numpy.empty with memory of ours"},
    {"zeros", FAST(zeros), "zeros(shape, dtype) -> array: numpy.zeros with memory of ours"},
    {"empty_like", FAST(empty_like), "empty_like(array, dtype or None) -> array in the order of the other's memory"},
    {"memory_stats", memory_stats, METH_NOARGS, "memory_stats() -> dict"},
    {"empty_cache", empty_cache, METH_NOARGS, "empty_cache()"},
    {"reset_peak_memory_stats", reset_peaks, METH_NOARGS, "reset_peak_memory_stats()"},
    {"set_cache_limit", set_cache_limit, METH_O, "set_cache_limit(bytes)"},
    {nullptr},
};

}  // namespace

PyObject *new_array_of(PyArray_Descr *type, int ndim, const npy_intp *dims, bool zeros, const npy_intp *strides) {
  size_t bytes = works && type ? bytes_of(type, ndim, dims) : 0;
  return bytes > SMALL ? own(type, ndim, dims, bytes, zeros, strides) : numpys(type, ndim, dims, zeros, strides);
}

PyObject *new_array(int ndim, const npy_intp *dims, int type) {
  return new_array_of(PyArray_DescrFromType(type), ndim, dims);
}

PyObject *new_zeros(int ndim, const npy_intp *dims, int type) {
  return new_array_of(PyArray_DescrFromType(type), ndim, dims, true);
}

PyObject *new_like(PyArrayObject *x, PyArray_Descr *type, bool keep) {
  int n = PyArray_NDIM(x), order[NPY_MAXDIMS];
  const npy_intp *dims = PyArray_DIMS(x);
  if (!type) Py_INCREF(type = PyArray_DESCR(x));
  if (!keep || n < 2 || PyArray_IS_C_CONTIGUOUS(x)) return new_array_of(type, n, dims);
  // NumPy's order "K": dimensions from the largest stride to the smallest
  for (int i = 0; i < n; i++) order[i] = PyArray_IS_F_CONTIGUOUS(x) ? n - 1 - i : i;
  auto far = [x](int d) { return std::abs(PyArray_STRIDE(x, d)); };
  if (!PyArray_IS_F_CONTIGUOUS(x)) std::stable_sort(order, order + n, [&](int i, int j) { return far(i) > far(j); });
  npy_intp strides[NPY_MAXDIMS], step = PyDataType_ELSIZE(type);
  for (int i = n; i-- > 0; step *= dims[order[i]]) strides[order[i]] = step;
  return new_array_of(type, n, dims, false, strides);
}

PyObject *new_copy(PyObject *array) {
  PyArrayObject *a = reinterpret_cast<PyArrayObject *>(array);
  PyArray_Descr *type = PyArray_DESCR(a);
  Py_INCREF(type);
  PyObject *made = new_array_of(type, PyArray_NDIM(a), PyArray_DIMS(a));
  if (made && PyArray_CopyInto(reinterpret_cast<PyArrayObject *>(made), a) < 0) Py_CLEAR(made);
  return made;
}

bool add_allocator(PyObject *module) {
  works = test();
  return PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
