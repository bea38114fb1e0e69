// Steps of recurrent layers: the activations of the gates and what they do to the state, and the way back.
#include "kernels.h"
#include "tiles.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
namespace {

inline V tanh(V x) {
  V a = abs(x), z = x * x;
  V q = constant(-0.00590586795f);
  q = q * z + 0.0208053842f;
  q = q * z - 0.0537866834f;
  q = q * z + 0.133319582f;
  q = q * z - 0.333332993f;
  V small = x + x * z * q;
  V e = exp_falling(-(a + a)), large = (1.0f - e) / (1.0f + e);
  large = bits(bits(large) | (bits(x) & (I{} + INT32_MIN)));
  V result = a < 0.6f ? small : large;
  return x == x ? result : x;
}

// By e^-|x|, which is the cheaper exponential.
inline V gated(V x) {
  V e = exp_falling(-abs(x)), s = 1.0f / (1.0f + e);
  return x < 0.0f ? e * s : s;
}

// Calls visit(row, unit, lanes) for each vector of units.
template <typename Visit> inline void each(size_t rows, size_t units, Visit visit) {
  for (size_t r = 0; r < rows; r++)
    for (size_t u = 0; u < units; u += WIDTH) visit(r, u, units - u < WIDTH ? units - u : WIDTH);
}

inline V get(const float *p, size_t lanes) { return lanes == WIDTH ? load(p) : load_some(p, lanes); }

inline void put(float *p, V v, size_t lanes) {
  if (lanes == WIDTH)
    store(p, v);
  else
    store_some(p, v, lanes);
}

inline V bias(const float *b, size_t at, size_t lanes) { return b ? get(b + at, lanes) : V{}; }

inline V gate(const Step &s, size_t r, size_t u, size_t lanes, size_t number) {
  size_t at = number * s.hidden + u;
  V x = get(s.gates + r * s.gates_step + at, lanes) + bias(s.bias_x, at, lanes);
  return x + (load(s.pushed + r * s.pushed_step + number * s.apart + u) + bias(s.bias_h, at, lanes));
}

void lstm(const Step &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    V i = gated(gate(s, r, u, n, 0)), f = gated(gate(s, r, u, n, 1));
    V g = tanh(gate(s, r, u, n, 2)), o = gated(gate(s, r, u, n, 3));
    size_t at = r * s.hidden + u;
    V c = get(s.c + at, n);
    put(s.before_c + at, c, n);
    c = f * c + i * g;
    V h = o * tanh(c);
    put(s.c + at, c, n);
    put(s.out + at, h, n);
    put(s.state + at, h, n);
    float *kept = s.kept + r * s.kept_step + u;
    put(kept, i, n);
    put(kept + s.hidden, f, n);
    put(kept + 2 * s.hidden, g, n);
    put(kept + 3 * s.hidden, o, n);
  });
}

void gru(const Step &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    V reset = gated(gate(s, r, u, n, 0)), z = gated(gate(s, r, u, n, 1));
    size_t at = 2 * s.hidden + u;
    V pushed = load(s.pushed + r * s.pushed_step + 2 * s.apart + u) + bias(s.bias_h, at, n);
    V x = get(s.gates + r * s.gates_step + at, n) + bias(s.bias_x, at, n);
    V candidate = tanh(x + reset * pushed);
    V h = candidate + z * (get(s.before_h + r * s.hidden + u, n) - candidate);
    put(s.out + r * s.hidden + u, h, n);
    put(s.state + r * s.hidden + u, h, n);
    float *kept = s.kept + r * s.kept_step + u;
    put(kept, reset, n);
    put(kept + s.hidden, z, n);
    put(kept + 2 * s.hidden, candidate, n);
    put(kept + 3 * s.hidden, pushed, n);
  });
}

template <typename F> inline void plain(const Step &s, F f) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    V h = f(gate(s, r, u, n, 0));
    put(s.out + r * s.hidden + u, h, n);
    put(s.state + r * s.hidden + u, h, n);
    put(s.kept + r * s.kept_step + u, h, n);
  });
}

void plain_tanh(const Step &s) {
  plain(s, [](V x) { return tanh(x); });
}

void plain_relu(const Step &s) {
  plain(s, [](V x) { return x < 0.0f ? V{} : x; });
}

inline V incoming(const StepBack &s, size_t r, size_t u, size_t n) {
  V d = load(s.dh + r * s.dh_step + u);
  return s.g_out ? d + get(s.g_out + r * s.hidden + u, n) : d;
}

void lstm_back(const StepBack &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    const float *kept = s.kept + r * s.kept_step + u;
    V i = get(kept, n), f = get(kept + s.hidden, n), g = get(kept + 2 * s.hidden, n), o = get(kept + 3 * s.hidden, n);
    size_t at = r * s.hidden + u;
    V before = get(s.before_c + at, n), t = tanh(before * f + i * g), d = incoming(s, r, u, n);
    V dc = get(s.dc + at, n) + d * o * (1.0f - t * t);
    float *to = s.to_gates + r * s.gates_step + u;
    put(to, dc * g * i * (1.0f - i), n);
    put(to + s.hidden, dc * before * f * (1.0f - f), n);
    put(to + 2 * s.hidden, dc * i * (1.0f - g * g), n);
    put(to + 3 * s.hidden, d * t * o * (1.0f - o), n);
    put(s.dc + at, dc * f, n);
  });
}

void gru_back(const StepBack &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    const float *kept = s.kept + r * s.kept_step + u;
    V reset = get(kept, n), z = get(kept + s.hidden, n);
    V candidate = get(kept + 2 * s.hidden, n), pushed = get(kept + 3 * s.hidden, n);
    V d = incoming(s, r, u, n), h = get(s.before_h + r * s.hidden + u, n);
    V dn = d * (1.0f - z) * (1.0f - candidate * candidate);
    V dr = dn * pushed * reset * (1.0f - reset), dz = d * (h - candidate) * z * (1.0f - z);
    float *to = s.to_gates + r * s.gates_step + u, *push = s.to_pushed + r * s.gates_step + u;
    put(to, dr, n);
    put(to + s.hidden, dz, n);
    put(to + 2 * s.hidden, dn, n);
    put(push, dr, n);
    put(push + s.hidden, dz, n);
    put(push + 2 * s.hidden, dn * reset, n);
    store(s.dh + r * s.dh_step + u, d * z);
  });
}

void tanh_back(const StepBack &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    V y = get(s.kept + r * s.kept_step + u, n);
    put(s.to_gates + r * s.gates_step + u, incoming(s, r, u, n) * (1.0f - y * y), n);
  });
}

void relu_back(const StepBack &s) {
  each(s.rows, s.units, [&](size_t r, size_t u, size_t n) {
    V y = get(s.kept + r * s.kept_step + u, n), d = incoming(s, r, u, n);
    put(s.to_gates + r * s.gates_step + u, y > 0.0f ? d : d * 0.0f, n);
  });
}

}  // namespace

extern const Recurrent recurrent;
const Recurrent recurrent = {lstm, gru, plain_tanh, plain_relu, lstm_back, gru_back, tanh_back, relu_back};

}  // namespace RUSHLIGHT_NAMESPACE
}  // namespace rushlight
