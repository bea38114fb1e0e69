"""What the operators are: one module a family, all of them imported here, none listed by hand."""

import gc
import importlib
import pkgutil

# Nothing that is made here is ever garbage; looking for some would take a third of the time.
_collects = gc.isenabled()
gc.disable()
try:
    for _module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{_module.name}")
    # When all of them are made.
    importlib.import_module(f"{__name__}.autocast").mark()
finally:
    if _collects:
        gc.enable()
