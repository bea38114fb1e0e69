"""Programs about initialisers and torch.nn.utils: ``program(torch)`` returns what is compared."""

import copy
import importlib

from programs_module import error


def values(t):
    """The values as a flat list (what compares them allows for another order of additions)."""
    return t.detach().flatten().double().tolist()


def initial_values(torch):
    """Bit for bit: the draws are the same generator's."""
    init = torch.nn.init
    out = []
    for name, args in [
        ("uniform_", (-0.3, 0.2)),
        ("normal_", (1.0, 0.5)),
        ("constant_", (0.3,)),
        ("ones_", ()),
        ("zeros_", ()),
        ("eye_", ()),
        ("xavier_uniform_", (0.5,)),
        ("xavier_normal_", ()),
        ("kaiming_uniform_", ()),
        ("kaiming_normal_", (0.1, "fan_out", "relu")),
        ("trunc_normal_", ()),
        ("trunc_normal_", (0.0, 1.0, 1.5, 3.0)),
        ("sparse_", (0.3,)),
    ]:
        torch.manual_seed(7)
        t = torch.empty(6, 5)
        out.append((name, getattr(init, name)(t, *args) is t, repr(t.tolist())))
    out.append(torch.rand(2).tolist())
    generator = torch.Generator()
    generator.manual_seed(3)
    out.append(init.uniform_(torch.empty(3), generator=generator).tolist())
    return out


def initial_structure(torch):
    init = torch.nn.init
    out = [
        init.dirac_(torch.empty(4, 2, 3), groups=2).tolist(),
        init.dirac_(torch.empty(2, 2, 3, 3)).tolist(),
    ]
    for shape in ((4, 4), (6, 3), (2, 5), (3, 2, 2)):
        torch.manual_seed(0)
        out.append(values(init.orthogonal_(torch.empty(shape), gain=2)))
    for name in (
        "linear",
        "conv2d",
        "conv_transpose3d",
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "selu",
    ):
        out.append((name, init.calculate_gain(name)))
    out += [init.calculate_gain("leaky_relu", 0.3), error(init.calculate_gain, "leaky_relu", True)]
    out += [
        error(init.calculate_gain, "nope"),
        error(init.eye_, torch.empty(3)),
        error(init.dirac_, torch.empty(3)),
    ]
    out += [
        error(init.dirac_, torch.empty(3, 2, 2), 2),
        error(init.xavier_uniform_, torch.empty(3)),
    ]
    out += [
        error(init.kaiming_uniform_, torch.empty(2, 2), mode="x"),
        error(init.orthogonal_, torch.empty(3)),
    ]
    out += [error(init.sparse_, torch.empty(3), 0.1)]
    return out


def seeded_layers(torch):
    """The default initialisation of layers, bit for bit."""
    nn = torch.nn
    out = []
    for make in (
        lambda: nn.Linear(5, 3),
        lambda: nn.Bilinear(2, 3, 4),
        lambda: nn.Conv2d(4, 6, (3, 2), groups=2),
        lambda: nn.ConvTranspose1d(4, 6, 3),
        lambda: nn.Embedding(5, 3, padding_idx=-1),
        lambda: nn.EmbeddingBag(5, 3),
        lambda: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
        lambda: nn.GRUCell(3, 4),
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        lambda: nn.TransformerEncoderLayer(4, 2, 8),
        lambda: nn.Transformer(4, 2, 1, 1, 8),
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10]),
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)).parametrizations.weight[0],
    ):
        torch.manual_seed(11)
        module = make()
        exact = not hasattr(module, "_power_method")
        out.append(
            [(k, repr(v.tolist()) if exact else v.tolist()) for k, v in module.state_dict().items()]
        )
        out.append(torch.rand(1).item())
    return out


def clipping(torch):
    utils = torch.nn.utils
    out = []

    def params():
        ps = [
            torch.nn.Parameter(torch.ones(2)),
            torch.nn.Parameter(torch.ones(3)),
            torch.nn.Parameter(torch.ones(1)),
        ]
        ps[0].grad = torch.tensor([3.0, -4.0])
        ps[1].grad = torch.tensor([1.0, 0.0, 2.0])
        return ps

    for norm in (2.0, 1, float("inf"), 3):
        ps = params()
        out.append((float(utils.clip_grad_norm_(ps, 1.0, norm)), [p.grad.tolist() for p in ps[:2]]))
    ps = params()
    utils.clip_grad_value_(ps, 1.5)
    out.append([p.grad.tolist() for p in ps[:2]])
    out.append(float(utils.get_total_norm([p.grad for p in ps[:2]])))
    out.append(float(utils.clip_grad_norm_([], 1.0)))
    ps[0].grad[0] = float("nan")
    out.append(error(utils.clip_grad_norm_, ps, 1.0, error_if_nonfinite=True))
    return out


def vectors(torch):
    utils = torch.nn.utils
    m = torch.nn.Linear(2, 3)
    vector = utils.parameters_to_vector(m.parameters())
    utils.vector_to_parameters(torch.arange(9.0), m.parameters())
    return [
        tuple(vector.shape),
        m.weight.tolist(),
        m.bias.tolist(),
        error(utils.vector_to_parameters, [1], m.parameters()),
    ]


def packing(torch):
    rnn = torch.nn.utils.rnn
    seqs = [
        torch.arange(2.0).reshape(2, 1),
        torch.arange(4.0).reshape(4, 1) + 10,
        torch.arange(1.0).reshape(1, 1) + 20,
    ]
    out = [
        rnn.pad_sequence(seqs).tolist(),
        rnn.pad_sequence(seqs, batch_first=True, padding_value=-1, padding_side="left").tolist(),
    ]
    p = rnn.pack_sequence(seqs, enforce_sorted=False)
    out += [type(p).__name__, *[t.tolist() for t in p]]
    padded, lengths = rnn.pad_packed_sequence(p, batch_first=True, padding_value=9, total_length=5)
    out += [padded.tolist(), lengths.tolist(), [s.tolist() for s in rnn.unpack_sequence(p)]]
    out += [[s.tolist() for s in rnn.unpad_sequence(padded, lengths, batch_first=True)]]
    out += [
        p.double().data.dtype == torch.float64,
        p.to(torch.float32) is p,
        rnn.invert_permutation(torch.tensor([2, 0, 1])).tolist(),
    ]
    out += [error(rnn.pack_sequence, seqs), error(rnn.pad_packed_sequence, p, total_length=1)]
    out += [
        error(rnn.pack_padded_sequence, torch.ones(3, 2), [3, 0]),
        error(rnn.pack_padded_sequence, torch.ones(3, 2), [3])[0],
    ]
    x = torch.ones(3, 2, 1, requires_grad=True)
    q = rnn.pack_padded_sequence(x, torch.tensor([3, 1]))
    back, _ = rnn.pad_packed_sequence(q)
    (back * 2).sum().backward()
    out.append(x.grad.tolist())
    return out


def norms(torch):
    nn, utils = torch.nn, torch.nn.utils
    out = []
    for apply in (
        utils.weight_norm,
        utils.parametrizations.weight_norm,
        utils.spectral_norm,
        utils.parametrizations.spectral_norm,
    ):
        for make in (lambda: nn.Linear(3, 4), lambda: nn.ConvTranspose2d(2, 3, 2)):
            torch.manual_seed(0)
            m = apply(make())
            x = torch.ones(2, 3) if isinstance(m, nn.Linear) else torch.ones(1, 2, 3, 3)
            y = m(x)
            y.sum().backward()
            out.append(
                (repr(m), list(m.state_dict()), [n for n, _ in m.named_parameters()], values(y))
            )
            out.append([values(p.grad) for p in m.parameters()])
            m.eval()
            out.append(values(m(x)))
            out.append([values(v) for v in m.state_dict().values()])
            out.append({k: repr(v) for k, v in m.state_dict()._metadata.items()})
    m = utils.weight_norm(nn.Linear(3, 4), dim=None)
    out += [
        tuple(m.weight_g.shape),
        error(utils.weight_norm, m),
        [n for n, _ in utils.remove_weight_norm(m).named_parameters()],
    ]
    out += [
        error(utils.remove_weight_norm, nn.ReLU()),
        error(utils.remove_spectral_norm, nn.ReLU()),
    ]
    m = utils.spectral_norm(nn.Linear(3, 4))
    state = m.state_dict()
    m.load_state_dict(state)
    out += [
        error(utils.spectral_norm, m),
        [n for n, _ in utils.remove_spectral_norm(m).named_parameters()],
        len(m._state_dict_hooks),
    ]
    old = utils.weight_norm(nn.Linear(3, 4)).state_dict()
    new = utils.parametrizations.weight_norm(nn.Linear(3, 4))
    out.append(repr(new.load_state_dict(old)))
    return out


def orthogonal(torch):
    nn = torch.nn
    out = []
    for kind in ("matrix_exp", "cayley", "householder"):
        for shape in ((3, 3), (4, 2), (2, 4)):
            torch.manual_seed(0)
            m = nn.utils.parametrizations.orthogonal(
                nn.Linear(*shape, bias=False), orthogonal_map=kind
            )
            w = m.weight
            tall = w if w.shape[0] >= w.shape[1] else w.t()
            out.append([round(v, 4) + 0.0 for v in (tall.t() @ tall).flatten().tolist()])
            out.append((kind, shape, [n for n, _ in m.named_parameters()], list(m.state_dict())))
    out.append(error(nn.utils.parametrizations.orthogonal, nn.Linear(2, 2), "bias"))
    out.append(error(nn.utils.parametrizations.orthogonal, nn.Linear(2, 2), orthogonal_map="x"))
    m = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3), use_trivialization=False)
    out.append(error(setattr, m, "weight", torch.eye(3)))
    return out


def parametrize(torch):
    nn, P = torch.nn, torch.nn.utils.parametrize

    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).t()

        def right_inverse(self, a):
            return a.triu()

    class Split(nn.Module):
        def forward(self, a, b):
            return a + b

        def right_inverse(self, w):
            return w / 2, w / 2

    class Wrong(nn.Module):
        def forward(self, x):
            return x[:1]

    m = nn.Linear(3, 3)
    out = [
        P.is_parametrized(m),
        error(P.register_parametrization, m, "nope", Symmetric()),
        error(P.register_parametrization, m, "weight", Wrong()),
    ]
    P.register_parametrization(m, "weight", Symmetric())
    out += [
        repr(m),
        type(m).__name__,
        P.is_parametrized(m, "weight"),
        [n for n, _ in m.named_parameters()],
        list(m.state_dict()),
    ]
    out.append(bool((m.weight == m.weight.t()).all()))
    m.weight = torch.ones(3, 3)
    out += [
        m.weight.tolist(),
        m.parametrizations.weight.original.tolist(),
        error(P.register_parametrization, m, "weight", Wrong()),
    ]
    with P.cached():
        out.append(m.weight is m.weight)
    out.append(m.weight is m.weight)
    c = copy.deepcopy(m)
    c.weight = torch.zeros(3, 3)
    out += [
        m.weight.tolist(),
        c.weight.tolist(),
        error(copy.copy, m)[0],
        P.type_before_parametrizations(m).__name__,
    ]
    m(torch.ones(1, 3)).sum().backward()
    out.append(m.parametrizations.weight.original.grad.tolist())
    P.register_parametrization(m, "weight", Symmetric())
    out.append(len(m.parametrizations.weight))
    P.remove_parametrizations(m, "weight")
    out += [
        type(m).__name__,
        [n for n, _ in m.named_parameters()],
        m.weight.tolist(),
        hasattr(m, "parametrizations"),
    ]
    m = nn.Linear(2, 2)
    P.register_parametrization(m, "weight", Split())
    m.weight = torch.ones(2, 2)
    out += [
        [n for n, _ in m.named_parameters()],
        m.weight.tolist(),
        error(P.remove_parametrizations, m, "weight", leave_parametrized=False),
    ]
    P.remove_parametrizations(m, "weight")
    return [*out, m.weight.tolist(), error(P.remove_parametrizations, m, "weight")]


def pruning(torch):
    nn, prune = torch.nn, importlib.import_module(f"{torch.__name__}.nn.utils.prune")
    out = []
    for apply in (
        lambda m: prune.identity(m, "weight"),
        lambda m: prune.random_unstructured(m, "weight", 0.4),
        lambda m: prune.l1_unstructured(m, "weight", 3),
        lambda m: prune.random_structured(m, "weight", 1, 0),
        lambda m: prune.ln_structured(m, "weight", 0.5, 2, 1),
        lambda m: prune.custom_from_mask(
            m, "weight", torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]])
        ),
    ):
        torch.manual_seed(0)
        m = apply(nn.Linear(3, 4))
        out.append((m.weight_mask.tolist(), list(m.state_dict()), prune.is_pruned(m)))
        apply(m) if len(out) in (2, 3, 5) else None
        prune.l1_unstructured(m, "weight", 0.25)
        m(torch.ones(1, 3)).sum().backward()
        out.append(
            (
                m.weight_mask.tolist(),
                m.weight_orig.grad.tolist(),
                [type(h).__name__ for h in m._forward_pre_hooks.values()],
            )
        )
        prune.remove(m, "weight")
        out.append(([n for n, _ in m.named_parameters()], values(m.weight), prune.is_pruned(m)))
    torch.manual_seed(0)
    a, b = nn.Linear(2, 2), nn.Linear(2, 3)
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=5)
    out += [a.weight_mask.tolist(), b.weight_mask.tolist()]
    out += [
        error(prune.remove, nn.ReLU(), "weight"),
        error(prune.l1_unstructured, nn.Linear(1, 1), "weight", -1),
    ]
    out += [
        error(prune.l1_unstructured, nn.Linear(1, 1), "weight", 7),
        error(prune.l1_unstructured, nn.Linear(1, 1), "weight", "a"),
    ]
    out += [
        error(prune.ln_structured, nn.Linear(1, 2), "bias", 1, 2, 0),
        error(prune.random_structured, nn.Linear(2, 2), "weight", 1, 5),
    ]
    return out


def functional_calls(torch):
    nn = torch.nn
    call = torch.nn.utils.stateless.functional_call
    m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    m[0].tied = m[0].weight
    before = m[0].weight
    new = {"0.weight": torch.zeros(2, 2), "0.bias": torch.ones(2), "1.running_mean": torch.zeros(2)}
    out = [
        call(m, new, (torch.ones(3, 2),)).tolist(),
        m[0].weight is before,
        m[0].tied is before,
        new["1.running_mean"].tolist(),
    ]
    out += [error(call, m, {"0.weight": torch.zeros(2, 2)}, torch.ones(3, 2), strict=True)]
    out += [error(call, m, {"0.nope": torch.zeros(2, 2), **new}, torch.ones(3, 2), strict=True)]
    out += [
        error(
            call, m, {"0.weight": torch.zeros(2, 2), "0.tied": torch.ones(2, 2)}, torch.ones(3, 2)
        )
    ]
    out += [
        error(call, m, {"7.weight": torch.zeros(2, 2)}, torch.ones(3, 2)),
        m[0].weight is before,
    ]
    return out


def fusing(torch):
    nn, utils = torch.nn, torch.nn.utils
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3)
    bn(torch.randn(4, 3, 2, 2))
    x = torch.randn(2, 2, 4, 4)
    out = [error(utils.fuse_conv_bn_eval, conv, bn)]
    fused = utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
    out.append(float((fused(x) - bn(conv(x))).abs().max()) < 1e-5)
    lin, bn = nn.Linear(3, 4).eval(), nn.BatchNorm1d(4).eval()
    out.append(repr(utils.fuse_linear_bn_eval(lin, bn)))
    out += [
        error(utils.fuse_linear_bn_eval, nn.Linear(3, 5).eval(), bn),
        repr(utils.skip_init(nn.Linear, 2, 3)),
        error(utils.skip_init, nn.ReLU),
    ]
    return out


PROGRAMS = [
    initial_values,
    initial_structure,
    seeded_layers,
    clipping,
    vectors,
    packing,
    norms,
    orthogonal,
    parametrize,
    pruning,
    functional_calls,
    fusing,
]


def hand_gradients(torch):
    import_module = importlib.import_module
    grad = import_module(f"{torch.__name__}.nn.grad")
    torch.manual_seed(0)
    x, w, g = torch.randn(1, 2, 5, 5), torch.randn(2, 1, 3, 3), torch.randn(1, 2, 2, 2)
    return [
        values(grad.conv2d_input(x.shape, w, g, stride=2, groups=2)),
        values(grad.conv2d_weight(x, w.shape, g, stride=2, groups=2)),
        sorted(torch.nn.factory_kwargs({"dtype": 1, "factory_kwargs": {"device": 2}}).items()),
        error(torch.nn.factory_kwargs, {"x": 1}),
        error(torch.nn.factory_kwargs, {"dtype": 1, "factory_kwargs": {"dtype": 2}}),
        sorted(import_module(f"{torch.__name__}.nn.attention").SDPBackend.__members__),
    ]


PROGRAMS.append(hand_gradients)
