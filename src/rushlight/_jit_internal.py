"""torch._jit_internal: decorators that libraries import by this older name."""

from typing import Final as Final

from rushlight.futures import Future as Future
from rushlight.jit._scripting import _copy_to_script_wrapper as _copy_to_script_wrapper
from rushlight.jit._scripting import _overload as _overload
from rushlight.jit._scripting import _overload_method as _overload_method
from rushlight.jit._scripting import export as export
from rushlight.jit._scripting import ignore as ignore
from rushlight.jit._scripting import is_scripting as is_scripting
from rushlight.jit._scripting import unused as unused
