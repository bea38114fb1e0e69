"""torch.jit, as PyTorch itself has it with PYTORCH_JIT=0: decorators leave functions as they are.

What makes, reads or writes TorchScript raises NotImplementedError.
"""

from typing import Final as Final

from rushlight.futures import Future as Future
from rushlight.jit import annotations as annotations
from rushlight.jit._refine import refines
from rushlight.jit._scripting import Attribute as Attribute
from rushlight.jit._scripting import CompilationUnit as CompilationUnit
from rushlight.jit._scripting import Error as Error
from rushlight.jit._scripting import RecursiveScriptModule as RecursiveScriptModule
from rushlight.jit._scripting import ScriptFunction as ScriptFunction
from rushlight.jit._scripting import ScriptModule as ScriptModule
from rushlight.jit._scripting import ScriptWarning as ScriptWarning
from rushlight.jit._scripting import TopLevelTracedModule as TopLevelTracedModule
from rushlight.jit._scripting import TracedModule as TracedModule
from rushlight.jit._scripting import TracerWarning as TracerWarning
from rushlight.jit._scripting import TracingCheckError as TracingCheckError
from rushlight.jit._scripting import _copy_to_script_wrapper as _copy_to_script_wrapper
from rushlight.jit._scripting import _overload as _overload
from rushlight.jit._scripting import _overload_method as _overload_method
from rushlight.jit._scripting import annotate as annotate
from rushlight.jit._scripting import export as export
from rushlight.jit._scripting import fork as fork
from rushlight.jit._scripting import freeze as freeze
from rushlight.jit._scripting import ignore as ignore
from rushlight.jit._scripting import interface as interface
from rushlight.jit._scripting import is_scripting as is_scripting
from rushlight.jit._scripting import is_tracing as is_tracing
from rushlight.jit._scripting import load as load
from rushlight.jit._scripting import optimize_for_inference as optimize_for_inference
from rushlight.jit._scripting import save as save
from rushlight.jit._scripting import script as script
from rushlight.jit._scripting import script_if_tracing as script_if_tracing
from rushlight.jit._scripting import script_method as script_method
from rushlight.jit._scripting import trace as trace
from rushlight.jit._scripting import trace_module as trace_module
from rushlight.jit._scripting import unused as unused
from rushlight.jit._scripting import wait as wait

isinstance = refines

__all__ = [
    "Attribute",
    "CompilationUnit",
    "Error",
    "Future",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "export",
    "fork",
    "freeze",
    "ignore",
    "interface",
    "isinstance",
    "load",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "trace",
    "trace_module",
    "unused",
    "wait",
]
