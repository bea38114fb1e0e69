"""What the operators are: one module a family, all of them imported here, none listed by hand."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

# When all of them are made.
importlib.import_module(f"{__name__}.autocast").mark()
