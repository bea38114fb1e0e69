#include "kernels.h"
namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
extern const Pointwise<float> pointwise_f32;
extern const Pointwise<double> pointwise_f64;
const Pointwise<float> pointwise_f32 = {};
const Pointwise<double> pointwise_f64 = {};
}
}
