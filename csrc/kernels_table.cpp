// One table per instruction set: the kernels of that set's object files.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
extern const Random random;
extern const Pointwise<float> pointwise_f32;
extern const Pointwise<double> pointwise_f64;
extern const Rows<float> rows_f32;
extern const Rows<double> rows_f64;
}  // namespace RUSHLIGHT_NAMESPACE

#define RUSHLIGHT_TEXT2(x) #x
#define RUSHLIGHT_TEXT(x) RUSHLIGHT_TEXT2(x)

// A function, so that no table is read before it is filled.
Kernels RUSHLIGHT_TABLE() {
  using namespace RUSHLIGHT_NAMESPACE;
  return {RUSHLIGHT_TEXT(RUSHLIGHT_LEVEL), random, pointwise_f32, pointwise_f64, rows_f32, rows_f64};
}

}  // namespace rushlight
