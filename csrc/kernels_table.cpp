// One table per instruction set: the kernels of that set's object files.
#include "kernels.h"

namespace rushlight {
namespace RUSHLIGHT_NAMESPACE {
extern const Random random;
extern const Pointwise pointwise;
extern const Rows rows;
extern const BinaryTable binary;
extern const ReductionTable reductions;
extern const Conv conv;
extern const DepthwiseKernels depthwise;
extern const Recurrent recurrent;
extern const Pool pool;
extern const Optimizers optimizers;
extern const Gemm gemm;
extern const Casts casts;
extern const Moves moves;
extern const Comparisons comparisons;
extern const ScanTable scans;
extern const SortTable sorts;
extern const Losses losses;
extern const Norms norms;
extern const AttentionKernels attention;
}  // namespace RUSHLIGHT_NAMESPACE

#define RUSHLIGHT_TEXT2(x) #x
#define RUSHLIGHT_TEXT(x) RUSHLIGHT_TEXT2(x)

// A function, so that no table is read before it is filled.
Kernels RUSHLIGHT_TABLE() {
  using namespace RUSHLIGHT_NAMESPACE;
  // One to a line, in the order of the struct.
  return {
      RUSHLIGHT_TEXT(RUSHLIGHT_LEVEL),
      random,
      pointwise,
      rows,
      binary,
      reductions,
      conv,
      depthwise,
      recurrent,
      pool,
      optimizers,
      gemm,
      casts,
      moves,
      comparisons,
      scans,
      sorts,
      losses,
      norms,
      &attention,
  };
}

}  // namespace rushlight
