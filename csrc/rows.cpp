#include "arrays.h"
namespace rushlight { bool add_rows(PyObject *) { return true; } }
