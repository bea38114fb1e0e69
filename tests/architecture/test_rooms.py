"""Which part of the package may know which: held by reading the source, not by trust.

docs/architecture.md says why. A room is a folder or a file of src/rushlight: `_core`, `nn`, `demo`.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "rushlight"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

# Lowest first. A room may import lower rooms; one on its own level only where SIBLINGS lists it.
# A room that is not named stands on the level of `utils`.
LEVELS = [
    {"_version", "_core/dtypes", "_core/device", "_core/state", "_core/errors"},
    {"_core"},
    {"_ops", "_kernels"},
    {"_batching"},
    {"_api"},
    {"autograd", "_trace"},
    {"func", "nn", "optim", "distributions", "linalg", "fft", "special", "signal", "masked"},
    {"utils", "serialization", "amp", "cpu", "cuda", "onnx", "profiler", "compiler"},
    {"vision", "audio", "text", "distributed"},
    {"autograd/profiler"},  # the older names of the profiler
    {"hub"},  # it downloads as vision does
    {"utils/model_zoo"},
    # After the first two: names that pickles, and that libraries, use.
    {"_compat", "_lazy", "_tensor", "_utils", "storage", "_dynamo", "_jit_internal"},
    {""},
    {"demo", "__main__"},
]
SIBLINGS = {
    ("optim", "nn"),
    ("masked", "linalg"),
    ("func", "nn"),
    ("serialization", "utils"),
    ("utils", "multiprocessing"),
    ("distributions", "nn"),
    ("distributions", "linalg"),
    ("distributions", "special"),
    ("utils", "amp"),
    ("utils", "cuda"),
    ("utils", "random"),
    ("profiler", "cuda"),
    ("accelerator", "cuda"),
    ("jit", "futures"),
    ("cpu", "amp"),
    ("cuda", "amp"),
}
# Written as a user would write it: of the rooms with an underscore they know the public names only.
USERS = {
    "nn",
    "optim",
    "distributions",
    "linalg",
    "fft",
    "special",
    "signal",
    "masked",
    "vision",
    "demo",
}
UNDERSCORED_FOR_USERS = {"_api", "_version"}
# nn.Parameter is one of the types that the entries take as plain; LinAlgError is no operator.
# flex_attention, which nothing in nn imports, is written with vmap.
KNOWN_EDGES = {
    ("nn/parameter", "_core/tensor"),
    ("linalg", "_ops/linalg_solve"),
    ("nn/attention/flex_attention", "func"),
}

# Who may touch the array inside a tensor. Of the operators: the functions beside the records that
# make tensors of data, copy, index, draw and re-stride. A record never does.
DATA_ROOMS = {"_core", "autograd", "serialization"}
DATA_FILES = tuple(
    f"_ops/{name}"
    for name in (
        "choose",
        "clamp",
        "copy",
        "create",
        "dropout",
        "from_data",
        "index",
        "memory",
        "move",
        "optimizer_gradients",
        "pieces",
        "random",
        "small_qr",
        "three_operands",
        "toplevel",
        "transposed",
        "triangles",
        "view",
    )
)
DATA_FILES += ("_batching/index",)
OPTIONAL = {
    "PIL",
    "tqdm",
    "matplotlib",
    "cupy",
    "safetensors",
    "tensorboard",
    "google",
    "scipy",
    "mpi4py",
}
MAX_FILE, MAX_FUNCTION = 800, 60


def name_of(path):
    """`_core/tensor` for _core/tensor.py, `nn` for nn/__init__.py, nothing for the package."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "/".join(part for part in parts if part != "__init__")


NAMES = {name_of(path): path for path in FILES}


def room(name):
    return name.split("/")[0]


def level(name):
    for number, rooms in enumerate(LEVELS):
        if name in rooms:
            return number
    for number, rooms in enumerate(LEVELS):
        if room(name) in rooms:
            return number
    return level("utils")


def imported(node):
    """The modules of ours that an import statement names; nothing stands for the package."""
    if isinstance(node, ast.Import):
        found = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        found = [
            n if n.replace(".", "/").removeprefix("rushlight/") in NAMES else node.module
            for n in full
        ]
    else:
        return
    for name in found:
        if name == "rushlight" or (name or "").startswith("rushlight."):
            yield name.replace(".", "/").removeprefix("rushlight").removeprefix("/")


EDGES = {
    (name, target)
    for name, path in NAMES.items()
    for node in ast.walk(TREES[path])
    for target in imported(node)
}


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def where(path, node):
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_imports_go_down():
    wrong = []
    for name, target in sorted(EDGES - KNOWN_EDGES):
        if room(name) == room(target) and level(target) <= level(name):
            continue
        if level(target) >= level(name) and (room(name), room(target)) not in SIBLINGS:
            wrong.append(
                f"{name or '__init__'} imports {target or 'rushlight'}, which is not below it"
            )
    assert not wrong, "\n".join(wrong)


def test_users_know_public_names_only():
    wrong = [
        f"{name} imports {target}"
        for name, target in sorted(EDGES - KNOWN_EDGES)
        if room(name) in USERS
        and room(target).startswith("_")
        and room(target) not in UNDERSCORED_FOR_USERS
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_assembled_package():
    wrong = sorted(name for name, target in EDGES if target == "" and name != "demo")
    assert not wrong, f"take the room you need instead of `rushlight`: {wrong}"


def test_no_import_cycles():
    graph = {name: sorted(t for n, t in EDGES if n == name and t != name) for name in NAMES}
    done, path = set(), []

    def visit(name):
        if name in path:
            raise AssertionError(
                "imports in a circle: " + " -> ".join([*path[path.index(name) :], name])
            )
        if name not in done:
            path.append(name)
            for target in graph.get(name, ()):
                visit(target)
            done.add(path.pop())

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_stand_at_the_top(path):
    wrong = []
    for function in functions(TREES[path]):
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                roots = {(node.module or ".").split(".")[0]}
            elif isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            else:
                continue
            if not roots <= OPTIONAL:
                wrong.append(where(path, node))
    assert not wrong, f"imports inside functions are for optional packages: {wrong}"
    relative = [n for n in ast.walk(TREES[path]) if isinstance(n, ast.ImportFrom) and n.level]
    assert not relative, "imports are absolute, so that each names its room"


def opened(tree):
    """Where the source below ``tree`` reads or writes ``_data``."""
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "_data"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_core_opens_tensors(path):
    if room(name_of(path)) in DATA_ROOMS:
        return
    trees = [TREES[path]]
    if name_of(path).startswith(DATA_FILES):
        trees = [n for n in ast.walk(TREES[path]) if isinstance(n, ast.ClassDef)]
    wrong = [line for tree in trees for line in opened(tree)]
    assert not wrong, f"_data is the core's: {path.relative_to(ROOT)}, lines {wrong}"


@pytest.mark.parametrize("path", [p for p in FILES if room(name_of(p)) == "_ops"], ids=name_of)
def test_gradients_hold_tensors(path):
    """A formula that used arrays would not be differentiable again."""
    wrong = []
    for function in functions(TREES[path]):
        if function.name == "vjp" or function.name.startswith("vjp_"):
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id in {"np", "numpy", "xp"}:
                    wrong.append(where(path, node))
            wrong += opened(function)
    assert not wrong, f"gradients are written with tensor methods: {wrong}"


def own_lines(function):
    """The lines of a function less those of functions inside it: entries are closures."""
    inner = [f for f in functions(function) if f is not function]
    outermost = [f for f in inner if not any(f is not g and f in functions(g) for g in inner)]
    length = function.end_lineno - function.lineno + 1
    return length - sum(f.end_lineno - f.lineno + 1 for f in outermost)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE, f"{lines} lines: split it by subject"
    long = [
        f"{where(path, f)} {f.name}: {own_lines(f)} lines"
        for f in functions(TREES[path])
        if own_lines(f) > MAX_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_no_bare_todo():
    # Written in two halves, so that this file does not name itself.
    words = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    paths = [
        *FILES,
        *sorted((ROOT / "csrc").glob("*.[ch]*")),
        *sorted((ROOT / "tests").rglob("*.py")),
    ]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(word in line and f"{word}(#" not in line for word in words)
    ]
    assert not wrong, f"open an issue and name it, TODO(#123): {wrong}"
