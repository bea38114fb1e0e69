"""torch._subclasses: tensors that stand for others while compiling; none exist here."""
