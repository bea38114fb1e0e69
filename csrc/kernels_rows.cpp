#include "kernels.h"
namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
extern const Rows<float> rows_f32;
extern const Rows<double> rows_f64;
const Rows<float> rows_f32 = {};
const Rows<double> rows_f64 = {};
}
}
