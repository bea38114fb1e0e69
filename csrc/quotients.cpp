// Remainders, quotients rounded down, and a few functions of two numbers, one pass each: of float32, float64, int32 and int64
// arrays that broadcast, or of an array and a Python number. NotImplemented for the rest, for integers divided by zero too.
#include <cmath>
#include <type_traits>

#include "broadcast.h"

namespace rushlight {
namespace {

template <typename T> bool opposite(T x, T y) { return (x < 0) != (y < 0); }

// The quotient of two float32 numbers rounded down, in float64, where that is exact.
inline bool down(float x, float y, double &q) {
  q = std::floor((double)x / (double)y);
  return std::fabs(q) < 16777216.0 && std::isfinite(y);
}

struct Remainder {
  static constexpr bool divides = true, whole = true;
  template <typename T> static T of(T x, T y) {
    if constexpr (std::is_integral<T>::value) {
      if (y == -1) return 0;
      T r = x % y;
      return r && opposite(r, y) ? r + y : r;
    } else {
      T r;
      double q;
      if (std::is_same<T, float>::value && down((float)x, (float)y, q)) {
        r = (T)((double)x - q * (double)y);
      } else {
        r = std::fmod(x, y);
        if (r != 0 && opposite(r, y)) r += y;
      }
      return r == 0 ? std::copysign((T)0, x) : r;  // the zeros of NumPy have the sign of y
    }
  }
};

struct FloorDivide {
  static constexpr bool divides = true, whole = true;
  template <typename T> static T of(T x, T y) {
    if constexpr (std::is_integral<T>::value) {
      if (y == -1) return (T)(0 - (typename std::make_unsigned<T>::type)x);
      T q = x / y;
      return q * y != x && opposite(x, y) ? q - 1 : q;
    } else {
      double exact;
      if (std::is_same<T, float>::value && down((float)x, (float)y, exact)) return (T)exact;
      if (y == 0) return x / y;
      T r = std::fmod(x, y), q = (x - r) / y;
      if (r != 0 && opposite(r, y)) q -= 1;
      if (q == 0) return std::copysign((T)0, x / y);
      T below = std::floor(q);
      return q - below > (T)0.5 ? below + 1 : below;
    }
  }
};

struct Fmod {
  static constexpr bool divides = true, whole = true;
  template <typename T> static T of(T x, T y) {
    if constexpr (std::is_integral<T>::value) return y == -1 ? 0 : x % y;
    else return std::fmod(x, y);
  }
};

struct Logaddexp {
  static constexpr bool divides = false, whole = false;
  template <typename T> static T of(T x, T y) {
    if (x == y) return x + (T)0.6931471805599453;  // also of equal infinities
    return (x > y ? x : y) + std::log1p(std::exp(-std::fabs(x - y)));
  }
};

struct Xlogy {
  static constexpr bool divides = false, whole = false;
  template <typename T> static T of(T x, T y) { return x == 0 && y == y ? (T)0 : x * std::log(y); }
};

template <typename F, typename T> PyObject *loop(const Broadcast &b, int type, size_t step_x, size_t step_y, const char *fixed, bool first) {
  PyObject *out = new_array(b.ndim, b.dims, type);
  if (!out) return nullptr;
  b.run(data_of<char>(out), sizeof(T), [=](const char *const *at, char *to, size_t n) {
    const T *x = (const T *)(fixed && first ? fixed : at[0]), *y = (const T *)(fixed ? first ? at[0] : fixed : at[1]);
    T *r = (T *)to;
    for (size_t i = 0; i < n; i++) r[i] = F::of(x[i * step_x], y[i * step_y]);
  });
  return out;
}

template <typename T> bool any_zero(PyObject *x) {
  const T *p = data_of<T>(x);
  for (size_t i = 0, n = size_of(x); i < n; i++)
    if (!p[i]) return true;
  return false;
}

// Do the divisors, or the numbers, serve?
template <typename F, typename T> bool fine(PyObject *y, const Number *number) {
  if (!std::is_integral<T>::value) return true;
  if (!F::whole) return false;
  return !F::divides || (number ? *(const T *)number != 0 : plain(y) && !any_zero<T>(y));
}

template <typename F, typename T> PyObject *of_type(PyObject *const *args, int type, const Number *number, bool first) {
  if (!fine<F, T>(args[1], number && !first ? number : nullptr)) return nullptr;
  Broadcast b;
  PyObject *const *arrays = number && first ? args + 1 : args;
  if (!b.of(arrays, number ? 1 : 2)) return nullptr;
  size_t x = b.single(0) ? 0 : 1, y = number ? 0 : b.single(1) ? 0 : 1;
  return number && first ? loop<F, T>(b, type, 0, x, (const char *)number, true) : loop<F, T>(b, type, x, y, (const char *)number, false);
}

template <typename F> PyObject *call(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 2) return not_implemented();
  bool both = PyArray_CheckExact(args[0]) && PyArray_CheckExact(args[1]), first = !PyArray_CheckExact(args[0]);
  PyObject *array = args[first ? 1 : 0];
  if (!PyArray_CheckExact(array)) return not_implemented();
  int type = type_of(array);
  Number number;
  if (both ? type_of(args[1]) != type : !number_as(args[first ? 0 : 1], type, number)) return not_implemented();
  const Number *fixed = both ? nullptr : &number;
  PyObject *out = nullptr;
  switch (compared_index(type)) {
    case 0: out = of_type<F, float>(args, type, fixed, first); break;
    case 1: out = of_type<F, double>(args, type, fixed, first); break;
    case 2: out = of_type<F, int32_t>(args, type, fixed, first); break;
    case 3: out = of_type<F, int64_t>(args, type, fixed, first); break;
    default: break;
  }
  return out || PyErr_Occurred() ? out : not_implemented();
}

// ---- others ----------------------------------------------------------------------------------------------------------

template <typename T> PyObject *signs(PyObject *x) {
  PyObject *out = like(x);
  if (!out) return nullptr;
  const T *from = data_of<T>(x);
  T *to = data_of<T>(out);
  share(size_of(x), 1, [=](size_t i, size_t j) {
    for (; i < j; i++) to[i] = (T)((from[i] > 0) - (from[i] < 0));
  });
  return out;
}

PyObject *sign(PyObject *, PyObject *x) {
  switch (plain(x) ? compared_index(type_of(x)) : -1) {
    case 0: return signs<float>(x);
    case 1: return signs<double>(x);
    case 2: return signs<int32_t>(x);
    case 3: return signs<int64_t>(x);
    default: return not_implemented();
  }
}

// x + w (y - x), from the nearer end, so that weight 1 gives exactly the end
template <typename T> PyObject *mixed(const Broadcast &b, int type) {
  PyObject *out = new_array(b.ndim, b.dims, type);
  size_t step[3];
  for (int k = 0; k < 3; k++) step[k] = b.single(k) ? 0 : 1;
  if (out)
    b.run(data_of<char>(out), sizeof(T), [=](const char *const *at, char *to, size_t n) {
      const T *x = (const T *)at[0], *y = (const T *)at[1], *w = (const T *)at[2];
      for (size_t i = 0; i < n; i++) {
        T from = x[i * step[0]], end = y[i * step[1]], part = w[i * step[2]], gap = end - from;
        ((T *)to)[i] = std::fabs(part) < (T)0.5 ? from + part * gap : end - gap * (1 - part);
      }
    });
  return out;
}

// lerp(x, y, weight) of three arrays
PyObject *lerp(PyObject *, PyObject *const *args, Py_ssize_t given) {
  if (given != 3) return not_implemented();
  for (int k = 0; k < 3; k++)
    if (!PyArray_CheckExact(args[k]) || type_of(args[k]) != type_of(args[0])) return not_implemented();
  int type = type_of(args[0]);
  Broadcast b;
  if ((type != NPY_FLOAT32 && type != NPY_FLOAT64) || !b.of(args, 3)) return PyErr_Occurred() ? nullptr : not_implemented();
  return type == NPY_FLOAT32 ? mixed<float>(b, type) : mixed<double>(b, type);
}

#define METHOD(name, F) {name, (PyCFunction)(void (*)(void))call<F>, METH_FASTCALL, name "(x, y) -> array, or NotImplemented"}
PyMethodDef methods[] = {METHOD("remainder", Remainder),
                         METHOD("floor_divide", FloorDivide),
                         METHOD("fmod", Fmod),
                         METHOD("logaddexp", Logaddexp),
                         METHOD("xlogy", Xlogy),
                         {"sign", sign, METH_O, "sign(x) -> array, or NotImplemented"},
                         {"lerp", (PyCFunction)(void (*)(void))lerp, METH_FASTCALL, "lerp(x, y, weight) -> array, or NotImplemented"},
                         {nullptr}};

}  // namespace

bool add_quotients(PyObject *module) { return PyModule_AddFunctions(module, methods) == 0; }

}  // namespace rushlight
