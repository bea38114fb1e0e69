// The generator (Mersenne Twister 19937) and what is drawn from it, as PyTorch's CPU generator does.
//
// Every function takes the engine and a contiguous array to fill. The state is shared, so the GIL is
// kept: draws of two threads must not mix. The readable twin of each recipe is _core/generator.py.
#include "arrays.h"
#include "kernels.h"

#include <cmath>
#include <cstring>

namespace rushlight {
namespace {

constexpr double PI = 3.14159265358979323846;

struct Engine {
  PyObject_HEAD
  uint32_t key[624];
  int pos;
  bool has_normal;  // the second number of the last scalar Box-Muller pair waits in `normal`
  double normal;

  void seed(uint32_t s) {
    for (uint32_t j = 0; j < 624; j++) {
      key[j] = s;
      s = 1812433253u * (s ^ (s >> 30)) + j + 1;
    }
    pos = 624;
    has_normal = false;
  }

  uint32_t r32() {
    if (pos == 624) {
      kernels->random.regenerate(key);
      pos = 0;
    }
    uint32_t y = key[pos++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }

  uint64_t r64() {
    uint64_t high = r32();
    return (high << 32) | r32();
  }

  double u64() { return static_cast<double>(r64() & ((1ull << 53) - 1)) * 0x1p-53; }
  float u32() { return static_cast<float>(r32() & 0xffffffu) * 0x1p-24f; }

  void words(uint32_t *out, size_t n) {
    while (n) {
      if (pos == 624) {
        kernels->random.regenerate(key);
        pos = 0;
      }
      size_t m = n < size_t(624 - pos) ? n : 624 - pos;
      kernels->random.temper(key + pos, out, m);
      pos += static_cast<int>(m);
      out += m;
      n -= m;
    }
  }

  double scalar_normal() {
    if (has_normal) {
      has_normal = false;
      return normal;
    }
    double u1 = u64(), u2 = u64();
    double radius = std::sqrt(-2.0 * std::log1p(-u2)), angle = 2.0 * PI * u1;
    normal = radius * std::sin(angle);
    has_normal = true;
    return radius * std::cos(angle);
  }
};

// Calls work(words, first element, count) until n elements are served, `per` words each.
template <typename Work> void in_chunks(Engine &e, size_t n, size_t per, Work work) {
  constexpr size_t CHUNK = 1248;
  uint32_t words[CHUNK];
  for (size_t i = 0; i < n;) {
    size_t m = n - i < CHUNK / per ? n - i : CHUNK / per;
    e.words(words, m * per);
    work(words, i, m);
    i += m;
  }
}

void fill_uniform(Engine &e, float *out, size_t n, double a, double b) {
  float base = static_cast<float>(a), limit = static_cast<float>(b);
  in_chunks(e, n, 1, [&](const uint32_t *w, size_t i, size_t m) {
    kernels->random.uniform_f32(w, out + i, m, limit - base, base, limit);
  });
}

void fill_uniform(Engine &e, double *out, size_t n, double a, double b) {
  in_chunks(e, n, 2, [&](const uint32_t *w, size_t i, size_t m) {
    kernels->random.uniform_f64(w, out + i, m, b - a, a, b);
  });
}

void box_muller(float *x, size_t blocks, double mean, double std) {
  kernels->random.normal_f32(x, blocks, static_cast<float>(mean), static_cast<float>(std));
}

void box_muller(double *x, size_t blocks, double mean, double std) {
  for (; blocks; blocks--, x += 16)
    for (int j = 0; j < 8; j++) {
      double radius = std::sqrt(-2.0 * std::log(1.0 - x[j])), angle = 2.0 * PI * x[j + 8];
      x[j] = std::fma(radius * std::cos(angle), std, mean);
      x[j + 8] = std::fma(radius * std::sin(angle), std, mean);
    }
}

template <typename T> void fill_scalar_normal(Engine &e, T *out, size_t n, double mean, double std) {
  for (size_t i = 0; i < n; i++) out[i] = static_cast<T>(std::fma(e.scalar_normal(), std, mean));
}

template <typename T> void fill_normal(Engine &e, T *out, size_t n, double mean, double std) {
  if (n < 16) return fill_scalar_normal(e, out, n, mean, std);
  constexpr size_t CHUNK = 4096;  // uniforms and their transform while they are in the cache
  for (size_t i = 0; i < n; i += CHUNK) {
    size_t m = n - i < CHUNK ? n - i : CHUNK;
    fill_uniform(e, out + i, m, 0, 1);
    box_muller(out + i, m / 16, mean, std);
  }
  if (n % 16) {
    fill_uniform(e, out + n - 16, 16, 0, 1);
    box_muller(out + n - 16, 1, mean, std);
  }
}

// ---------------------------------------------------------------- Python functions

bool engine_and_out(PyObject *const *args, Py_ssize_t given, Py_ssize_t wanted, const char *name);

double number(PyObject *x) { return PyFloat_AsDouble(x); }

PyObject *done() {
  if (PyErr_Occurred()) return nullptr;
  Py_RETURN_NONE;
}

PyObject *wrong_type(const char *name) {
  PyErr_Format(PyExc_TypeError, "_C.%s: no kernel for this array", name);
  return nullptr;
}

// fill(T *out, size_t n) for a float32 or float64 array.
template <typename Fill> PyObject *floating(const char *name, PyObject *out, Fill fill) {
  if (PyErr_Occurred()) return nullptr;
  size_t n = size_of(out);
  switch (type_of(out)) {
    case NPY_FLOAT32: fill(data_of<float>(out), n); break;
    case NPY_FLOAT64: fill(data_of<double>(out), n); break;
    default: return wrong_type(name);
  }
  return done();
}

// The same for every real type.
template <typename Fill> PyObject *any_type(const char *name, PyObject *out, Fill fill) {
  if (PyErr_Occurred()) return nullptr;
  size_t n = size_of(out);
  switch (type_of(out)) {
    case NPY_BOOL:
    case NPY_UINT8: fill(data_of<uint8_t>(out), n); break;
    case NPY_INT8: fill(data_of<int8_t>(out), n); break;
    case NPY_INT16: fill(data_of<int16_t>(out), n); break;
    case NPY_UINT16: fill(data_of<uint16_t>(out), n); break;
    case NPY_INT32: fill(data_of<int32_t>(out), n); break;
    case NPY_UINT32: fill(data_of<uint32_t>(out), n); break;
    case NPY_LONG:
    case NPY_LONGLONG: fill(data_of<int64_t>(out), n); break;
    case NPY_ULONG:
    case NPY_ULONGLONG: fill(data_of<uint64_t>(out), n); break;
    case NPY_FLOAT32: fill(data_of<float>(out), n); break;
    case NPY_FLOAT64: fill(data_of<double>(out), n); break;
    default: return wrong_type(name);
  }
  return done();
}

#define DRAW(name, count)                                                                          \
  PyObject *name(PyObject *, PyObject *const *args, Py_ssize_t given) {                            \
    if (!engine_and_out(args, given, count, #name)) return nullptr;                                \
    Engine &e = *(Engine *)args[0];                                                                \
    PyObject *out = args[1];

DRAW(words, 2)
  if (type_of(out) == NPY_UINT32) {
    e.words(data_of<uint32_t>(out), size_of(out));
  } else if (PyArray_ITEMSIZE((PyArrayObject *)out) == 8) {
    uint64_t *r = data_of<uint64_t>(out);
    for (size_t i = 0, n = size_of(out); i < n; i++) r[i] = e.r64();
  } else {
    return wrong_type("words");
  }
  return done();
}

DRAW(uniform, 4)
  double a = number(args[2]), b = number(args[3]);
  return floating("uniform", out, [&](auto *x, size_t n) { fill_uniform(e, x, n, a, b); });
}

DRAW(normal, 4)
  double mean = number(args[2]), std = number(args[3]);
  return floating("normal", out, [&](auto *x, size_t n) { fill_normal(e, x, n, mean, std); });
}

DRAW(scalar_normal, 4)
  double mean = number(args[2]), std = number(args[3]);
  return floating("scalar_normal", out,
                  [&](auto *x, size_t n) { fill_scalar_normal(e, x, n, mean, std); });
}

DRAW(log_normal, 4)
  double mean = number(args[2]), std = number(args[3]);
  return floating("log_normal", out, [&](auto *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = std::exp(std::fma(e.scalar_normal(), std, mean));
  });
}

DRAW(exponential, 3)
  double scale = -1.0 / number(args[2]);
  return floating("exponential", out, [&](auto *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = scale * std::log1p(-e.u64());
  });
}

DRAW(cauchy, 4)
  double median = number(args[2]), sigma = number(args[3]);
  return floating("cauchy", out, [&](auto *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = std::fma(sigma, std::tan(PI * (e.u64() - 0.5)), median);
  });
}

DRAW(geometric, 3)
  double scale = std::log1p(-number(args[2]));
  return any_type("geometric", out, [&](auto *x, size_t n) {
    using T = std::remove_reference_t<decltype(*x)>;
    for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(std::ceil(std::log(e.u64()) / scale));
  });
}

DRAW(bernoulli, 3)
  double p = number(args[2]);
  return any_type("bernoulli", out, [&](auto *x, size_t n) {
    using T = std::remove_reference_t<decltype(*x)>;
    in_chunks(e, n, 2, [&](const uint32_t *w, size_t i, size_t m) {
      uint8_t hits[624];
      kernels->random.bernoulli(w, hits, m, p);
      for (size_t k = 0; k < m; k++) x[i + k] = static_cast<T>(hits[k]);
    });
  });
}

// bernoulli_each(engine, out, p): p an array of out's size, float64 (one u64 each) or float32 (one u32).
DRAW(bernoulli_each, 3)
  PyObject *p = args[2];
  if (!plain(p) || size_of(p) != size_of(out)) return wrong_type("bernoulli_each");
  int type = type_of(p);
  if (type != NPY_FLOAT32 && type != NPY_FLOAT64) return wrong_type("bernoulli_each");
  return any_type("bernoulli_each", out, [&](auto *x, size_t n) {
    using T = std::remove_reference_t<decltype(*x)>;
    if (type == NPY_FLOAT64)
      for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(e.u64() < data_of<double>(p)[i]);
    else
      for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(e.u32() < data_of<float>(p)[i]);
  });
}

// Exact r mod d for 32-bit numbers by two multiplications (Lemire, Kaser, Kurz 2019).
struct Modulo32 {
  uint32_t d;
#ifdef __SIZEOF_INT128__
  uint64_t m = ~0ull / d + 1;
  uint32_t operator()(uint32_t r) const {
    return static_cast<uint32_t>((static_cast<unsigned __int128>(m * r) * d) >> 64);
  }
#else
  uint32_t operator()(uint32_t r) const { return r % d; }
#endif
};

// integers(engine, out, range, base, wide): base + word mod range; range 0 means 2^64.
DRAW(integers, 5)
  uint64_t range = PyLong_AsUnsignedLongLongMask(args[2]);
  uint64_t base = PyLong_AsUnsignedLongLongMask(args[3]);
  bool wide = PyObject_IsTrue(args[4]) == 1;
  return any_type("integers", out, [&](auto *x, size_t n) {
    using T = std::remove_reference_t<decltype(*x)>;
    auto store = [&](uint64_t r) { return static_cast<T>(static_cast<int64_t>(r + base)); };
    if (wide) {
      for (size_t i = 0; i < n; i++) {
        uint64_t r = e.r64();
        x[i] = store(range ? r % range : r);
      }
    } else if (range == 1 || range > 0xffffffffu) {
      in_chunks(e, n, 1, [&](const uint32_t *w, size_t i, size_t m) {
        for (size_t k = 0; k < m; k++) x[i + k] = store(range == 1 ? 0 : w[k]);
      });
    } else {
      Modulo32 modulo{static_cast<uint32_t>(range)};
      in_chunks(e, n, 1, [&](const uint32_t *w, size_t i, size_t m) {
        for (size_t k = 0; k < m; k++) x[i + k] = store(modulo(w[k]));
      });
    }
  });
}

// Fisher-Yates from the front with 32-bit words; inside out with 64-bit words for huge n.
DRAW(randperm, 2)
  if (PyArray_ITEMSIZE((PyArrayObject *)out) != 8) return wrong_type("randperm");
  int64_t *r = data_of<int64_t>(out);
  uint64_t n = size_of(out);
  if (n < 0xffffffffu / 20) {
    for (uint64_t i = 0; i < n; i++) r[i] = static_cast<int64_t>(i);
    for (uint64_t i = 0; i + 1 < n; i++) {
      uint64_t j = i + e.r32() % static_cast<uint32_t>(n - i);
      int64_t held = r[i];
      r[i] = r[j];
      r[j] = held;
    }
  } else {
    for (uint64_t i = 0; i < n; i++) {
      uint64_t j = e.r64() % (i + 1);
      r[i] = static_cast<int64_t>(i);
      r[i] = r[j];
      r[j] = static_cast<int64_t>(i);
    }
  }
  return done();
}

double log_gamma(double x) {
#ifdef __GLIBC__
  int sign;
  return lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

// Hoermann's PTRS for lam >= 10, multiplication below.
int64_t draw_poisson(Engine &e, double lam) {
  if (lam == 0) return 0;
  if (lam < 10) {
    double limit = std::exp(-lam), product = 1;
    for (int64_t k = 0;; k++) {
      product *= e.u64();
      if (!(product > limit)) return k;
    }
  }
  double s = std::sqrt(lam), log_lam = std::log(lam);
  double b = 0.931 + 2.53 * s, a = -0.059 + 0.02483 * b;
  double inverse = 1.1239 + 1.1328 / (b - 3.4), vr = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    double u = e.u64() - 0.5, v = e.u64(), us = 0.5 - std::fabs(u);
    double k = std::floor((2 * a / us + b) * u + lam + 0.43);
    if (us >= 0.07 && v <= vr) return static_cast<int64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse) - std::log(a / (us * us) + b) <= -lam + k * log_lam - log_gamma(k + 1))
      return static_cast<int64_t>(k);
  }
}

double stirling_tail(double k) {
  static const double tails[] = {0.0810614667953272,  0.0413406959554092,  0.0276779256849983, 0.02079067210376509,
                                 0.0166446911898211,  0.0138761288230707,  0.0118967099458917, 0.0104112652619720,
                                 0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return tails[static_cast<int>(k)];
  double x = k + 1, xx = x * x;
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / xx) / xx) / x;
}

// Trials until each success are geometric: count the successes within n trials.
double waited_binomial(Engine &e, double n, double p) {
  double scale = std::log1p(-p), trials = 0;
  for (double successes = 0;; successes++) {
    trials += std::ceil(std::log(e.u64()) / scale);
    if (trials > n) return successes;
  }
}

// Hoermann 1993: BTRS.
double rejected_binomial(Engine &e, double n, double p) {
  double spread = std::sqrt(n * p * (1 - p));
  double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
  double c = n * p + 0.5, vr = 0.92 - 4.2 / b, r = p / (1 - p);
  double alpha = (2.83 + 5.1 / b) * spread, m = std::floor((n + 1) * p);
  for (;;) {
    double u = e.u64() - 0.5, v = e.u64(), us = 0.5 - std::fabs(u);
    double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || k > n) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    double bound = (m + 0.5) * std::log((m + 1) / (r * (n - m + 1))) +
                   (n + 1) * std::log((n - m + 1) / (n - k + 1)) +
                   (k + 0.5) * std::log(r * (n - k + 1) / (k + 1)) + stirling_tail(m) +
                   stirling_tail(n - m) - stirling_tail(k) - stirling_tail(n - k);
    if (v <= bound) return k;
  }
}

double draw_binomial(Engine &e, double n, double p) {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p != p) return p;
  if (p > 0.5) return n - draw_binomial(e, n, 1 - p);
  return n * p >= 10 ? rejected_binomial(e, n, p) : waited_binomial(e, n, p);
}

// Marsaglia and Tsang; the thirds and the boost are rounded to the type of the tensor.
template <typename T> T draw_gamma(Engine &e, T given, T tiny) {
  double scale = 1;
  double alpha = given;
  if (alpha < 1) {
    if (alpha == 0) return 0;
    scale *= std::pow(1 - e.u64(), static_cast<double>(static_cast<T>(1) / given));
    given = static_cast<T>(given + static_cast<T>(1));
  }
  double d = static_cast<T>(given - static_cast<T>(1.0f / 3.0f));
  double c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x, y;
    do {
      x = e.scalar_normal();
      y = 1 + c * x;
    } while (y <= 0);
    double v = y * y * y, u = 1 - e.u64(), xx = x * x;
    if (u < 1 - static_cast<double>(0.0331f) * xx * xx ||
        std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) {
      T r = static_cast<T>(scale * d * v);
      return r < tiny ? tiny : r;
    }
  }
}

// Each element by its own parameter: arrays of one type and size.
template <typename Draw> PyObject *by_parameter(const char *name, PyObject *out, PyObject *parameter, Draw draw) {
  if (!plain(parameter) || size_of(parameter) != size_of(out) || type_of(parameter) != type_of(out))
    return wrong_type(name);
  return floating(name, out, [&](auto *x, size_t n) {
    using T = std::remove_reference_t<decltype(*x)>;
    const T *p = data_of<T>(parameter);
    for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(draw(p[i]));
  });
}

DRAW(poisson, 3)
  return by_parameter("poisson", out, args[2], [&](auto lam) { return draw_poisson(e, lam); });
}

DRAW(binomial, 4)
  PyObject *prob = args[3];
  if (!plain(prob) || size_of(prob) != size_of(out) || type_of(prob) != type_of(out)) return wrong_type("binomial");
  size_t i = 0;
  return by_parameter("binomial", out, args[2], [&](auto n) {
    return draw_binomial(e, n, data_of<decltype(n)>(prob)[i++]);
  });
}

DRAW(gamma, 3)
  return by_parameter("gamma", out, args[2], [&](auto alpha) {
    using T = decltype(alpha);
    return draw_gamma<T>(e, alpha, sizeof(T) == 4 ? static_cast<T>(0x1p-126) : static_cast<T>(0x1p-1022));
  });
}

// ---------------------------------------------------------------- the type

PyObject *engine_seed(PyObject *self, PyObject *value) {
  unsigned long long s = PyLong_AsUnsignedLongLongMask(value);
  if (PyErr_Occurred()) return nullptr;
  ((Engine *)self)->seed(static_cast<uint32_t>(s));
  Py_RETURN_NONE;
}

PyObject *engine_get(PyObject *self, PyObject *) {
  Engine &e = *(Engine *)self;
  npy_intp n = 624;
  PyObject *key = PyArray_SimpleNew(1, &n, NPY_UINT32);
  if (!key) return nullptr;
  std::memcpy(data_of<uint32_t>(key), e.key, sizeof e.key);
  if (e.has_normal) return Py_BuildValue("(Nid)", key, e.pos, e.normal);
  return Py_BuildValue("(NiO)", key, e.pos, Py_None);
}

PyObject *engine_set(PyObject *self, PyObject *args) {
  PyObject *key, *normal;
  int pos;
  if (!PyArg_ParseTuple(args, "OiO", &key, &pos, &normal)) return nullptr;
  if (!plain(key) || type_of(key) != NPY_UINT32 || size_of(key) != 624 || pos < 0 || pos > 624) {
    PyErr_SetString(PyExc_ValueError, "the state is 624 uint32 words and a position from 0 to 624");
    return nullptr;
  }
  double value = normal == Py_None ? 0 : number(normal);
  if (PyErr_Occurred()) return nullptr;
  Engine &e = *(Engine *)self;
  std::memcpy(e.key, data_of<uint32_t>(key), sizeof e.key);
  e.pos = pos;
  e.has_normal = normal != Py_None;
  e.normal = value;
  Py_RETURN_NONE;
}

PyObject *engine_new(PyTypeObject *type, PyObject *, PyObject *) {
  PyObject *self = type->tp_alloc(type, 0);
  if (self) ((Engine *)self)->seed(5489);
  return self;
}

PyMethodDef engine_methods[] = {
    {"seed", engine_seed, METH_O, "seed(number): start anew; the low 32 bits count."},
    {"get", engine_get, METH_NOARGS, "get() -> (624 uint32 words, position, waiting normal or None)"},
    {"set", engine_set, METH_VARARGS, "set(words, position, waiting normal or None)"},
    {nullptr},
};

PyTypeObject engine_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

bool engine_and_out(PyObject *const *args, Py_ssize_t given, Py_ssize_t wanted, const char *name) {
  if (given != wanted) {
    PyErr_Format(PyExc_TypeError, "_C.%s takes %zd arguments (%zd given)", name, wanted, given);
    return false;
  }
  if (Py_TYPE(args[0]) != &engine_type || !plain(args[1]) || !PyArray_ISWRITEABLE((PyArrayObject *)args[1])) {
    PyErr_Format(PyExc_TypeError, "_C.%s fills a contiguous array from an Engine", name);
    return false;
  }
  return true;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, nullptr}
PyMethodDef methods[] = {
    METHOD(words),       METHOD(uniform),   METHOD(normal),    METHOD(scalar_normal), METHOD(log_normal),
    METHOD(exponential), METHOD(cauchy),    METHOD(geometric), METHOD(bernoulli),     METHOD(bernoulli_each),
    METHOD(integers),    METHOD(randperm),  METHOD(poisson),   METHOD(gamma),         METHOD(binomial),
    {nullptr},
};

}  // namespace

bool add_random(PyObject *module) {
  engine_type.tp_name = "rushlight._C.Engine";
  engine_type.tp_doc = "The Mersenne Twister and the normal that waits for the next call.";
  engine_type.tp_basicsize = sizeof(Engine);
  engine_type.tp_flags = Py_TPFLAGS_DEFAULT;
  engine_type.tp_new = engine_new;
  engine_type.tp_methods = engine_methods;
  return PyModule_AddType(module, &engine_type) == 0 && PyModule_AddFunctions(module, methods) == 0;
}

}  // namespace rushlight
