// The pointwise part of recurrent layers: a step of some units, forwards and backwards through time.
#pragma once

#include <cstddef>

namespace rushlight {

// Gates of a row lie `hidden` apart, those of `pushed` `apart`. All pointers are at the first of the units.
struct Step {
  size_t rows, units, hidden, gates_step, kept_step, pushed_step, apart;
  const float *gates, *pushed;         // the input's share of the gates, and the state's
  const float *bias_x, *bias_h;        // or null
  const float *before_h;               // (rows, hidden)
  float *kept, *c, *before_c, *out, *state;  // kept may be gates; state: h, again
};
struct StepBack {
  size_t rows, units, hidden, kept_step, gates_step, dh_step;
  const float *g_out;  // or null
  const float *kept, *before_h, *before_c;
  float *dh;  // GRU: becomes what passes straight to the state before
  float *dc;  // becomes the gradient of the cell before
  float *to_gates, *to_pushed;
};

struct Recurrent {
  void (*lstm)(const Step &s);
  void (*gru)(const Step &s);
  void (*tanh)(const Step &s);
  void (*relu)(const Step &s);
  void (*lstm_back)(const StepBack &s);
  void (*gru_back)(const StepBack &s);
  void (*tanh_back)(const StepBack &s);
  void (*relu_back)(const StepBack &s);
};

}  // namespace rushlight
