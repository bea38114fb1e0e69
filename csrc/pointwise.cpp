#include "arrays.h"
namespace rushlight { bool add_pointwise(PyObject *) { return true; } }
