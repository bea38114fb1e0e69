"""Programs about Module, each written once and run with PyTorch and with rushlight:
``program(torch)`` returns what is compared (values, text, or the error that was raised).
"""

import copy
import io
import pickle
from collections import OrderedDict


def error(function, *args, **kwargs):
    """The type and text of the error a call raises."""
    try:
        function(*args, **kwargs)
    except Exception as e:
        return type(e).__name__, str(e).replace("rushlight.", "torch.")
    return "no error"


def net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 3)
            self.b = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3))
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("steps", torch.zeros(2))
            self.register_buffer("hidden", torch.ones(1), persistent=False)
            self.register_parameter("nothing", None)

        def forward(self, x):
            return self.b(self.a(x)) * self.scale

    return Net()


def registration_errors(torch):
    nn = torch.nn
    m = net(torch)
    p = nn.Parameter(torch.ones(1))
    return [
        error(m.register_parameter, "a.b", p),
        error(m.register_parameter, "", p),
        error(m.register_parameter, 3, p),
        error(m.register_parameter, "a", p),
        error(m.register_parameter, "w", torch.ones(1)),
        error(m.register_parameter, "w", p * 2),
        error(m.register_parameter, "w", 3),
        error(m.register_buffer, "a.b", torch.ones(1)),
        error(m.register_buffer, "", torch.ones(1)),
        error(m.register_buffer, 3, torch.ones(1)),
        error(m.register_buffer, "a", torch.ones(1)),
        error(m.register_buffer, "w", 3),
        error(m.add_module, "a.b", m.a),
        error(m.add_module, "", m.a),
        error(m.add_module, 3, m.a),
        error(m.add_module, "scale", m.a),
        error(m.add_module, "w", 3),
        error(setattr, m, "scale", torch.ones(3)),
        error(setattr, m, "scale", 3),
        error(setattr, m, "a", 3),
        error(setattr, m, "a", torch.ones(1)),
        error(setattr, m, "steps", 3),
        error(getattr, m, "absent"),
        error(delattr, m, "absent"),
        error(m.get_submodule, "b.7"),
        error(m.get_submodule, "scale"),
        error(m.get_parameter, "b.0.nope"),
        error(m.get_parameter, "steps"),
        error(m.get_buffer, "scale"),
        error(m.get_buffer, "nope"),
        error(m.set_submodule, "", m.a),
        error(m.set_submodule, "x.y", m.a),
        error(m.set_submodule, "q", m.a, strict=True),
        error(m.set_submodule, "scale", m.a),
        error(m.train, 1),
        error(nn.Module, 1),
        error(nn.Module, a=1),
        error(nn.Module(), 1),
        error(m.to, torch.int64),
        error(m.get_extra_state),
        error(m.load_state_dict, 3),
    ]


def before_init(torch):
    nn = torch.nn

    class Early(nn.Module):
        def __init__(self, what):
            self.x = what

    return [
        error(Early, nn.Parameter(torch.ones(1))),
        error(Early, nn.Linear(1, 1)),
        error(Early, 3),
    ]


def assignment(torch):
    nn = torch.nn
    m = net(torch)
    seen = []

    def look():
        seen.append(
            (
                list(m._parameters),
                list(m._buffers),
                list(m._modules),
                sorted(m._non_persistent_buffers_set),
            )
        )

    look()
    m.a = None
    look()
    m.a = nn.Linear(1, 1)
    m.scale = None
    look()
    m.scale = nn.Parameter(torch.zeros(1))
    m.steps = torch.ones(4)
    look()
    del m.steps
    m.steps = nn.Parameter(torch.ones(1))  # a buffer's name becomes a parameter's
    look()
    m.hidden = nn.Linear(1, 1)
    look()
    m.plain = torch.ones(1)
    m.plain = nn.Parameter(torch.ones(1))  # a plain attribute becomes a parameter
    look()
    m.plain = None
    seen.append(m.plain)
    del m.plain
    seen.append(hasattr(m, "plain"))
    m.buf = nn.Buffer(torch.ones(2), persistent=False)
    look()
    m.buf = torch.zeros(2)
    look()
    m._parameters["w"] = nn.Parameter(torch.ones(2))
    seen.append(m.w.tolist())
    m._parameters["w"] = nn.Parameter(torch.zeros(2))
    seen.append(m.w.tolist())
    del m._parameters["w"]
    seen.append(hasattr(m, "w"))
    m._modules["q"] = nn.ReLU()
    seen.append(repr(m.q))
    m._modules.pop("q")
    seen.append(hasattr(m, "q"))
    m._modules = OrderedDict(z=nn.Tanh())
    seen.append((repr(m.z), hasattr(m, "a")))
    return seen


def class_attribute_wins(torch):
    nn = torch.nn

    class Net(nn.Module):
        part = None

        def __init__(self):
            super().__init__()
            self.part = nn.Linear(1, 1)

    m = Net()
    return (
        m.part,
        list(m._modules),
        error(setattr, type("M", (nn.Module,), {"w": 1})(), "w", nn.Parameter(torch.ones(1))),
    )


def walking(torch):
    nn = torch.nn
    m = net(torch)
    m.again = m.a
    m.b.add_module("none", None)
    return [
        [n for n, _ in m.named_parameters()],
        [n for n, _ in m.named_parameters(remove_duplicate=False)],
        [n for n, _ in m.named_parameters("p", recurse=False)],
        [n for n, _ in m.named_buffers()],
        [n for n, _ in m.named_modules()],
        [n for n, _ in m.named_modules(prefix="x", remove_duplicate=False)],
        [n for n, _ in m.named_children()],
        len(list(m.modules())),
        len(list(m.children())),
        len(list(m.parameters())),
        len(list(m.buffers(recurse=False))),
        repr(m),
        repr(nn.ModuleList([m.a, m.a, m.b])),
        repr(nn.Sequential()),
        [n for n in dir(m) if n in ("a", "b", "scale", "steps", "0", "forward", "training")],
        [n for n in dir(m.b) if n.isdigit()],
    ]


def modes(torch):
    m = net(torch)
    out = [m.training, m.eval() is m, m.b[2].training, m.train().b[0].training]
    m.requires_grad_(False)
    out.append([p.requires_grad for p in m.parameters()])
    m.requires_grad_()
    m(torch.ones(4, 2)).sum().backward()
    out.append([p.grad is None for p in m.parameters()])
    m.zero_grad(set_to_none=False)
    out.append([float(p.grad.sum()) for p in m.parameters()])
    m.zero_grad()
    out.append([p.grad is None for p in m.parameters()])
    return out


def conversion(torch):
    m = net(torch)
    before = m.a.weight
    m(torch.ones(4, 2)).sum().backward()
    out = []
    for convert in ("double", "half", "bfloat16", "float", "cpu"):
        getattr(m, convert)()
        out.append(
            (
                convert,
                str(m.a.weight.dtype),
                str(m.a.weight.grad.dtype),
                str(m.b[2].num_batches_tracked.dtype),
            )
        )
    out.append(before is m.a.weight)
    out.append([str(m.to(x).scale.dtype) for x in (torch.float64, torch.ones(1), "cpu")])
    out.append(str(m.to("cpu", torch.float64, True).scale.dtype))
    out.append(str(m.to(device="cpu", dtype=torch.float32).scale.dtype))
    out.append(str(m.type(torch.float64).b[2].num_batches_tracked.dtype))
    names = []
    m.apply(lambda part: names.append(type(part).__name__))
    return [*out, names]


def states(torch):
    m = net(torch)
    state = m.state_dict()
    out = [
        list(state),
        {k: dict(v) for k, v in state._metadata.items()},
        [v.requires_grad for v in state.values()],
    ]
    out.append([v.requires_grad for v in m.state_dict(keep_vars=True).values()])
    out.append(list(m.state_dict(prefix="p.")))
    other = net(torch)
    out.append(repr(other.load_state_dict(state)))
    out.append(all(bool((v == state[k]).all()) for k, v in other.state_dict().items()))
    broken = OrderedDict(state)
    del broken["a.weight"]
    broken["extra"] = torch.ones(1)
    broken["b.9.x"] = torch.ones(1)
    broken["scale"] = torch.ones(4)
    broken["a.bias"] = 3
    out.append(error(other.load_state_dict, broken))
    out.append(error(other.load_state_dict, broken, strict=False))
    del broken["scale"], broken["a.bias"]
    out.append(repr(other.load_state_dict(broken, strict=False)))
    other.load_state_dict(state, assign=True)
    out.append(
        (
            other.a.weight.data_ptr() == m.a.weight.data_ptr(),
            type(other.a.weight).__name__,
            other.scale.requires_grad,
        )
    )
    single = torch.nn.Module()
    single.register_buffer("x", torch.zeros(()))
    single.load_state_dict({"x": torch.ones(1)})
    out.append(single.x.tolist())
    return out


def extra_state(torch):
    class Extra(torch.nn.Module):
        seen = None

        def get_extra_state(self):
            return {"n": 3}

        def set_extra_state(self, state):
            self.seen = state

    m = torch.nn.Sequential(Extra(), torch.nn.Linear(1, 1))
    state = m.state_dict()
    m.load_state_dict(state)
    bare = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(1, 1))
    return [
        list(state),
        m[0].seen,
        error(bare.load_state_dict, state),
        error(m.load_state_dict, bare.state_dict()),
    ]


def state_hooks(torch):
    m = torch.nn.Sequential(torch.nn.Linear(1, 1))
    log = []
    m.register_state_dict_pre_hook(lambda mod, prefix, keep: log.append(("pre", prefix, keep)))
    m.register_state_dict_post_hook(
        lambda mod, state, prefix, meta: log.append(("post", list(state), prefix, dict(meta)))
    )
    m[0].register_load_state_dict_pre_hook(
        lambda mod, state, prefix, *rest: log.append(("load", type(mod).__name__, prefix))
    )

    def forgive(mod, keys):
        log.append((keys.missing_keys[:], keys.unexpected_keys[:]))
        keys.missing_keys.clear()

    m.register_load_state_dict_post_hook(forgive)
    state = m.state_dict()
    del state["0.bias"]
    log.append(repr(m.load_state_dict(state)))
    handle = m._register_state_dict_hook(lambda *a: OrderedDict(replaced=1))
    log.append(list(m.state_dict()))
    handle.remove()
    log.append(list(m.state_dict()))
    m.register_state_dict_post_hook(lambda *a: 3)
    log.append(error(m.state_dict))
    return log


def forward_hooks(torch):
    m = torch.nn.Linear(2, 2)
    with torch.no_grad():
        m.weight.fill_(1.0)
        m.bias.zero_()
    log = []
    x = torch.ones(1, 2)
    h1 = m.register_forward_pre_hook(lambda mod, args: log.append("pre") or (args[0] * 2,))
    h2 = m.register_forward_pre_hook(lambda mod, args: args[0] + 1, prepend=True)
    h3 = m.register_forward_hook(lambda mod, args, out: out * 10)
    h4 = m.register_forward_hook(
        lambda mod, args, kwargs, out: log.append(sorted(kwargs)), with_kwargs=True
    )
    log.append(m(x).tolist())
    for h in (h1, h2, h3, h4):
        h.remove()
    log.append(m(x).tolist())
    with m.register_forward_pre_hook(
        lambda mod, args, kwargs: ((args[0] * 3,), kwargs), with_kwargs=True
    ):
        log.append(m(x).tolist())
    log.append(m(x).tolist())
    m.register_forward_pre_hook(lambda mod, args, kwargs: 3, with_kwargs=True)
    log.append(error(m, x))
    b = torch.nn.Linear(2, 2)
    b.register_forward_hook(lambda mod, args, out: log.append("always"), always_call=True)
    b.register_forward_hook(lambda mod, args, out: log.append("only if it worked"))
    log.append(error(b, torch.ones(1, 3))[0])
    return log


def global_hooks(torch):
    from_module = torch.nn.modules.module
    log = []
    handles = [
        from_module.register_module_forward_pre_hook(
            lambda mod, args: log.append(("pre", type(mod).__name__))
        ),
        from_module.register_module_forward_hook(
            lambda mod, args, out: log.append(("post", type(mod).__name__))
        ),
        from_module.register_module_full_backward_hook(
            lambda mod, gi, go: log.append(("back", type(mod).__name__))
        ),
        from_module.register_module_parameter_registration_hook(
            lambda mod, name, p: log.append(("param", name))
        ),
        from_module.register_module_buffer_registration_hook(
            lambda mod, name, p: log.append(("buffer", name))
        ),
        from_module.register_module_module_registration_hook(
            lambda mod, name, p: log.append(("module", name))
        ),
    ]
    try:
        m = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        m(torch.ones(2, 2, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    m(torch.ones(2, 2))
    log.append(error(from_module.register_module_backward_hook, print))
    return log


def backward_hooks(torch):
    nn = torch.nn

    class Two(nn.Module):
        def forward(self, x, y, n=1):
            return x * y, x + y

    log = []

    def told(mod, grad_input, grad_output):
        log.append([None if g is None else g.tolist() for g in (*grad_input, *grad_output)])

    m = Two()
    m.register_full_backward_hook(told)
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = torch.tensor([5.0, 7.0])
    a, b = m(x, y)
    (a.sum() + 2 * b.sum()).backward()
    log.append(x.grad.tolist())
    a, b = m(x, y)
    a.sum().backward()
    log.append(a.grad_fn.name())
    lin = nn.Linear(2, 1)
    with torch.no_grad():
        lin.weight.fill_(1.0)
    lin.register_full_backward_pre_hook(lambda mod, go: (go[0] * 10,))
    lin.register_full_backward_hook(lambda mod, gi, go: (gi[0] + 1,))
    x = torch.ones(1, 2, requires_grad=True)
    lin(x).sum().backward()
    log.append((x.grad.tolist(), lin.weight.grad.tolist()))
    lin = nn.Linear(2, 1)
    lin.register_full_backward_hook(told)  # no input needs a gradient
    lin(torch.ones(1, 2)).sum().backward()
    lin.register_full_backward_hook(lambda mod, gi, go: (torch.ones(1, 2),))
    log.append(error(lin(torch.ones(1, 2)).sum().backward))
    lin = nn.Linear(2, 1)
    lin.register_full_backward_hook(lambda mod, gi, go: (1, 2))
    log.append(error(lin(torch.ones(1, 2, requires_grad=True)).sum().backward))
    lin = nn.Linear(2, 1)
    lin.register_full_backward_pre_hook(lambda mod, go: (1, 2))
    log.append(error(lin(torch.ones(1, 2, requires_grad=True)).sum().backward))
    lin.register_full_backward_hook(told)
    log.append(error(lin.register_backward_hook, told))
    old = nn.Sigmoid()
    old.register_backward_hook(told)
    log.append(error(old.register_full_backward_hook, told))
    x = torch.zeros(1, 2, requires_grad=True)
    old(x).sum().backward()
    return log


def copies(torch):
    m = net(torch)
    c = copy.deepcopy(m)
    c.a.weight.data.zero_()
    c.extra = torch.nn.ReLU()
    s = copy.copy(m)
    out = [
        bool((m.a.weight == 0).all()),
        bool((c.a.weight == 0).all()),
        hasattr(m, "extra"),
        s.a is m.a,
    ]
    out += [c.a.weight is c._modules["a"]._parameters["weight"], c.scale is c._parameters["scale"]]
    c._parameters["scale"] = torch.nn.Parameter(torch.zeros(3))
    out += [c.scale.tolist(), m.scale.tolist()]
    tied = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    tied[1].weight = tied[0].weight
    t = copy.deepcopy(tied)
    out.append(t[0].weight is t[1].weight)
    seq = pickle.loads(
        pickle.dumps(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)))
    )
    out += [
        repr(seq),
        [n for n, _ in seq.named_parameters()],
        list(seq.state_dict()),
        seq(torch.ones(2, 2)).shape == (2, 2),
    ]

    class ByHand(torch.nn.Module):  # a __deepcopy__ many programs have
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))

        def __deepcopy__(self, memo):
            new = type(self).__new__(type(self))
            memo[id(self)] = new
            for k, v in self.__dict__.items():
                new.__dict__[k] = copy.deepcopy(v, memo)
            return new

    h = copy.deepcopy(ByHand())
    h._parameters["w"] = torch.nn.Parameter(torch.zeros(1))
    out += [h.w.tolist(), len(list(h.parameters()))]
    return out


def lazies(torch):
    nn = torch.nn
    m = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    out = [
        repr(m),
        repr(m[0].weight),
        error(lambda: m[0].weight.shape),
        error(lambda: m[0].weight + 1)[0],
    ]
    out.append(list(m.state_dict()))
    m.double()
    m(torch.ones(2, 4, dtype=torch.float64))
    out += [
        repr(m),
        type(m[0]).__name__,
        tuple(m[0].weight.shape),
        str(m[0].weight.dtype),
        type(m[0].weight).__name__,
    ]
    other = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    other.load_state_dict(m.state_dict())
    out += [tuple(other[0].weight.shape), tuple(other[1].running_mean.shape)]
    lazy = copy.deepcopy(nn.LazyConv2d(4, 3))
    lazy(torch.ones(1, 2, 5, 5))
    out += [repr(lazy), len(lazy._forward_pre_hooks), error(nn.LazyConv2d(4, 3), torch.ones(3))]
    return out


def containers(torch):
    nn = torch.nn
    s = nn.Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.ReLU(), c=nn.Tanh()))
    out = [repr(s[1]), repr(s[:2]), repr(s[-1]), len(s), error(lambda: s[3])]
    s[1] = nn.Sigmoid()
    out.append(repr(s))
    del s[0]
    out.append(repr(s))
    s.insert(0, nn.Identity())
    s.append(nn.ReLU()).extend([nn.ReLU6()])
    out += [
        repr(s),
        repr(s.pop(1)),
        repr(s + nn.Sequential(nn.ELU())),
        repr(2 * nn.Sequential(nn.ELU())),
    ]
    s += nn.Sequential(nn.CELU())
    out += [
        repr(s),
        error(lambda: s + 1),
        error(lambda: s * 0),
        error(lambda: s * "a"),
        error(s.insert, 99, nn.ReLU()),
    ]
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    layers.insert(1, nn.ELU())
    layers += [nn.GELU()]
    out += [
        repr(layers),
        repr(layers[1:]),
        repr(layers.__add__([nn.ReLU()])),
        error(lambda: layers[9]),
        error(layers.extend, 3),
        repr(layers.pop(0)),
        repr(layers),
    ]
    del layers[0:2]
    out += [repr(layers), error(layers, 1)]
    d = nn.ModuleDict({"x": nn.ReLU(), "y": nn.Tanh()})
    d.update([("z", nn.ELU())])
    out += [
        repr(d),
        list(d),
        "x" in d,
        repr(d.pop("x")),
        list(d.keys()),
        error(d.update, 3),
        error(d.update, [3]),
        error(d.update, [(1, 2, 3)]),
    ]
    out += [error(lambda: d["q"])[0], error(d.__setitem__, "w", 3)]
    p = nn.ParameterList([torch.ones(1), 3, nn.Parameter(torch.zeros(2, 2))])
    p.append(torch.zeros(3))
    out += [
        repr(p),
        len(p),
        [n for n, _ in p.named_parameters()],
        repr(p[1:3]),
        error(lambda: p[9]),
        error(p.extend, torch.ones(2)),
        error(p),
    ]
    q = nn.ParameterDict({"b": torch.ones(2), "a": nn.Parameter(torch.zeros(1))})
    q["c"] = 3
    out += [
        repr(q),
        list(q),
        [n for n, _ in q.named_parameters()],
        q.get("zz", 5),
        q.pop("c"),
        q.popitem()[0],
        len(q),
        error(q, 1),
    ]
    out += [
        repr(q | nn.ParameterDict({"k": torch.ones(1)})),
        error(lambda: q[3]),
        list(q.copy()),
        list(reversed(q)),
    ]
    return out


def saved_modules(torch):
    m = net(torch)
    state = m.state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    again = torch.load(buffer)
    return [
        list(again),
        type(again).__name__,
        hasattr(again, "_metadata"),
        repr(net(torch).load_state_dict(again)),
    ]


PROGRAMS = [
    registration_errors,
    before_init,
    assignment,
    class_attribute_wins,
    walking,
    modes,
    conversion,
    states,
    extra_state,
    state_hooks,
    forward_hooks,
    global_hooks,
    backward_hooks,
    copies,
    lazies,
    containers,
    saved_modules,
]


def habits(torch):
    """What programs commonly do with a model."""
    nn = torch.nn
    torch.manual_seed(0)
    m = net(torch)

    def init_weights(part):
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            part.bias.data.fill_(0.01)

    m.apply(init_weights)
    out = [m.a.weight.tolist(), m.a.bias.tolist(), sum(p.numel() for p in m.parameters())]
    best = copy.deepcopy(m.state_dict())
    for p in m.a.parameters():
        p.requires_grad = False
    out.append(sum(p.numel() for p in m.parameters() if p.requires_grad))
    m.b[0] = nn.Linear(3, 5)
    m.b[2] = nn.Identity()
    m.scale = nn.Parameter(torch.ones(5))
    out += [repr(m), tuple(m(torch.ones(2, 2)).shape)]
    out.append(error(m.load_state_dict, best))
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(torch.zeros_like(p))
            p += 1
    out += [float(sum(p.sum() for p in m.parameters())), [p.requires_grad for p in m.parameters()]]
    out.append(sorted({type(part).__name__ for part in m.modules()}))
    m.register_forward_hook(lambda mod, i, o: out.append(("hook", tuple(o.shape))))
    copy.deepcopy(m)(torch.ones(1, 2))
    prefixed = {f"module.{k}": v for k, v in best.items()}
    nn.modules.utils.consume_prefix_in_state_dict_if_present(prefixed, "module.")
    out.append(list(prefixed) == list(best))
    wrapped = nn.DataParallel(nn.Linear(2, 1))
    out.append([list(wrapped.state_dict()), repr(wrapped)])
    return out


PROGRAMS.append(habits)
