"""Programs about the layers: printed form, state, output and gradients of each, on small inputs."""

from programs_module import error

SIZES = {
    "x2": (4, 6),
    "x3": (2, 4, 6),
    "x4": (2, 4, 6, 6),
    "x5": (2, 4, 4, 4, 4),
}

LAYERS = """
x2: Identity() | Linear(6, 3) | Linear(6, 3, bias=False) | ReLU(True) | ReLU6() | ELU(0.5)
x2: CELU(2.0) | SELU() | GELU() | GELU('tanh')
x2: Hardshrink(0.3) | Softshrink(0.3) | Tanhshrink() | Hardsigmoid() | Hardswish()
x2: Hardtanh(-0.5, 0.5) | LeakyReLU(0.2) | LogSigmoid()
x2: Mish() | SiLU() | Sigmoid() | Tanh() | Softsign() | Softplus(2.0, 1.0) | Threshold(0.1, 5.0)
x2: PReLU() | PReLU(6) | RReLU(0.2, 0.2)
x2: Softmax(1) | LogSoftmax(1) | Softmin(1) | GLU() | BatchNorm1d(6)
x2: BatchNorm1d(6, momentum=None) | BatchNorm1d(6, affine=False)
x2: BatchNorm1d(6, track_running_stats=False) | LayerNorm(6)
x2: LayerNorm(6, elementwise_affine=False) | LayerNorm(6, bias=False) | RMSNorm(6)
x2: GroupNorm(3, 6) | Flatten() | Unflatten(1, (2, 3)) | Dropout(0.0) | LSTM(6, 3) | GRU(6, 3, 2)
x2: RNN(6, 3, nonlinearity='relu')
x2: RNNCell(6, 3) | LSTMCell(6, 3) | GRUCell(6, 3, bias=False)
x3: Linear(6, 2) | Conv1d(4, 6, 3) | Conv1d(4, 4, 3, padding='same', groups=2)
x3: Conv1d(4, 2, 3, padding=1, padding_mode='circular')
x3: ConvTranspose1d(4, 2, 3, stride=2, output_padding=1) | BatchNorm1d(4) | InstanceNorm1d(4)
x3: InstanceNorm1d(4, affine=True)
x3: InstanceNorm1d(4, track_running_stats=True) | GroupNorm(2, 4) | LayerNorm((4, 6))
x3: MaxPool1d(2) | AvgPool1d(3, 2, 1) | LPPool1d(2, 3)
x3: AdaptiveAvgPool1d(4) | AdaptiveMaxPool1d(4) | ConstantPad1d(2, 1.5) | ReflectionPad1d((1, 2))
x3: ReplicationPad1d(2) | CircularPad1d(2)
x3: ZeroPad1d(1) | LocalResponseNorm(2) | LSTM(6, 3, 2, bidirectional=True, batch_first=True)
x3: LSTM(6, 5, proj_size=2) | GRU(6, 3, bias=False)
x3: TransformerEncoderLayer(6, 2, 8, 0.0)
x3: TransformerEncoderLayer(6, 2, 8, 0.0, 'gelu', norm_first=True, batch_first=True)
x3: TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6))
x4: Conv2d(4, 3, 3, stride=2, padding=1, dilation=2) | Conv2d(4, 4, (3, 1), groups=4, bias=False)
x4: Conv2d(4, 2, 3, padding=1, padding_mode='reflect')
x4: ConvTranspose2d(4, 2, 3, stride=2, padding=1) | BatchNorm2d(4) | InstanceNorm2d(4)
x4: MaxPool2d(3, 2, 1, ceil_mode=True) | AvgPool2d(2)
x4: AdaptiveAvgPool2d((3, None)) | AdaptiveMaxPool2d(2) | LPPool2d(2, 2) | ZeroPad2d((1, 2, 0, 1))
x4: ReflectionPad2d(1) | Softmax2d()
x4: PixelShuffle(2) | PixelUnshuffle(3) | ChannelShuffle(2) | Upsample(scale_factor=2)
x4: UpsamplingBilinear2d(scale_factor=2) | Unfold(2, stride=2)
x4: CrossMapLRN2d(3) | Dropout2d(0.0) | Upsample(size=4, mode='bicubic') | GroupNorm(4, 4)
x4: SyncBatchNorm(4) | Flatten(1, 2)
x5: Conv3d(4, 2, 3) | ConvTranspose3d(4, 2, 2) | BatchNorm3d(4) | InstanceNorm3d(4) | MaxPool3d(2)
x5: AvgPool3d(2) | AdaptiveAvgPool3d(2)
x5: AdaptiveMaxPool3d(2) | ReplicationPad3d(1) | LPPool3d(2, 2) | Dropout3d(0.0)
x5: CircularPad3d(1) | ReflectionPad3d(1)
"""

LOSSES = """
L1Loss() | MSELoss() | MSELoss(reduction='sum') | SmoothL1Loss(beta=0.5) | HuberLoss(delta=0.5)
SoftMarginLoss() | HingeEmbeddingLoss()
KLDivLoss(reduction='batchmean') | PoissonNLLLoss(full=True) | BCEWithLogitsLoss() | BCELoss()
GaussianNLLLoss() | CrossEntropyLoss(label_smoothing=0.1)
NLLLoss() | CosineEmbeddingLoss(0.2) | MarginRankingLoss(0.3) | MultiMarginLoss()
MultiLabelSoftMarginLoss() | TripletMarginLoss()
TripletMarginWithDistanceLoss() | MultiLabelMarginLoss() | L1Loss(size_average=False)
MSELoss(reduce=False) | BCELoss(reduction='none')
"""


def tensors_of(value):
    if isinstance(value, list | tuple):
        return [t for v in value for t in tensors_of(v)]
    return [value]


def rows(text):
    for line in text.strip().splitlines():
        head, _, tail = line.partition(": ")
        size, items = (head, tail) if tail else (None, line)
        for item in items.split(" | "):
            yield size, item


def layer(size, constructor):
    def program(torch):
        nn = torch.nn
        torch.manual_seed(3)
        module = eval(f"nn.{constructor}", {"nn": nn})
        torch.manual_seed(5)
        x = torch.randn(SIZES[size]).double().requires_grad_()
        out = [repr(module), [(k, repr(v.tolist())) for k, v in module.state_dict().items()]]
        module.double()  # the layer is compared here, not single precision
        for training in (True, False):
            module.train(training)
            outputs = tensors_of(module(x * 1.0))
            out.append([(tuple(t.shape), t.flatten().tolist()) for t in outputs])
            sum((t * t).sum() for t in outputs).backward()
        out.append(x.grad.flatten().tolist())
        out.append([(n, p.grad.flatten().tolist()) for n, p in module.named_parameters()])
        out.append([(k, v.flatten().tolist()) for k, v in module.state_dict().items()])
        return out

    program.__name__ = constructor
    return program


def loss(constructor):
    def program(torch):
        nn = torch.nn
        module = eval(f"nn.{constructor}", {"nn": nn})
        name = type(module).__name__
        torch.manual_seed(5)
        x = torch.randn(4, 3)
        y = torch.randn(4, 3)
        sign = torch.tensor([1.0, -1.0, 1.0, 1.0])
        classes = torch.tensor([0, 2, 1, 1])
        args = {
            "SoftMarginLoss": (x, y.sign()),
            "HingeEmbeddingLoss": (x, y.sign()),
            "KLDivLoss": (x.log_softmax(1), y.softmax(1)),
            "PoissonNLLLoss": (x, y.abs()),
            "BCEWithLogitsLoss": (x, y.sigmoid()),
            "BCELoss": (x.sigmoid(), y.sigmoid()),
            "GaussianNLLLoss": (x, y, y * y),
            "CrossEntropyLoss": (x, classes),
            "NLLLoss": (x.log_softmax(1), classes),
            "CosineEmbeddingLoss": (x, y, sign),
            "MarginRankingLoss": (x[:, 0], y[:, 0], sign),
            "MultiMarginLoss": (x, classes),
            "MultiLabelSoftMarginLoss": (x, (y > 0).float()),
            "TripletMarginLoss": (x, y, x * y),
            "TripletMarginWithDistanceLoss": (x, y, x * y),
            "MultiLabelMarginLoss": (
                x,
                torch.tensor([[0, 2, -1], [1, -1, 0], [2, 1, 0], [-1, 0, 0]]),
            ),
        }.get(name, (x, y))
        first = args[0].detach().requires_grad_()
        result = module(first, *args[1:])
        result.sum().backward()
        return [repr(module), result.tolist(), first.grad.tolist()]

    program.__name__ = constructor
    return program


def layer_errors(torch):
    nn = torch.nn
    x = torch.ones
    return [
        error(nn.Conv2d, 3, 4, 3, groups=2),
        error(nn.Conv2d, 4, 3, 3, groups=2),
        error(nn.Conv2d, 4, 4, 3, groups=0),
        error(nn.Conv2d, 4, 4, 3, padding_mode="x")[0],
        error(nn.Conv2d, 4, 4, 3, padding="x")[0],
        error(nn.Conv2d, 4, 4, 3, stride=2, padding="same"),
        error(nn.ConvTranspose2d, 4, 4, 3, padding_mode="reflect"),
        error(nn.ConvTranspose2d(1, 1, 3, stride=2), x(1, 1, 4, 4), output_size=(20, 20)),
        error(nn.ConvTranspose2d(1, 1, 3, stride=2), x(1, 1, 4, 4), output_size=(20,)),
        error(nn.Dropout, 2),
        error(nn.GroupNorm, 3, 4),
        error(nn.BatchNorm1d(3), x(1, 3, 3, 3)),
        error(nn.BatchNorm2d(3), x(1, 3)),
        error(nn.BatchNorm3d(3), x(1, 3)),
        error(nn.InstanceNorm1d(3), x(1, 1, 3, 3)),
        error(nn.InstanceNorm1d(3, affine=True), x(2, 4, 3)),
        error(nn.Embedding, 3, 2, padding_idx=3),
        error(nn.Embedding, 3, 2, _weight=x(2, 2)),
        error(nn.Embedding.from_pretrained, x(2)),
        error(nn.Unflatten, 1, 3),
        error(nn.Unflatten, 1, (2, "a")),
        error(nn.Softmax2d(), x(2)),
        error(nn.MultiheadAttention, 5, 2),
        error(nn.MultiheadAttention, 0, 2),
        error(nn.Hardtanh, 1, 0),
        error(nn.CircularPad1d(1), x(2)),
        error(nn.FractionalMaxPool2d, 2),
        error(nn.FractionalMaxPool2d, 2, 2, 0.5),
        error(nn.FractionalMaxPool3d, 2, output_ratio=2),
        error(nn.Bilinear, 0, 1, 1),
        error(nn.LSTM, 2, 0),
        error(nn.LSTM, 2.0, 1),
        error(nn.LSTM, 2, 1, 0),
        error(nn.LSTM, 2, 1, bias=1),
        error(nn.LSTM, 2, 1, proj_size=1),
        error(nn.LSTM, 2, 1, proj_size=-1),
        error(nn.LSTM, 2, 1, dropout=2),
        error(nn.GRU, 2, 3, proj_size=1),
        error(nn.RNN, 2, 3, nonlinearity="x"),
        error(nn.LSTM(2, 3), x(2)),
        error(nn.LSTM(2, 3), x(2, 2, 3)),
        error(nn.LSTM(2, 3), x(2, 2, 2), (x(1, 2), x(1, 2))),
        error(nn.LSTM(2, 3), x(2, 2, 2), (x(1, 2, 4), x(1, 2, 3))),
        error(nn.LSTM(2, 3), x(2, 2, 2), (x(1, 2, 3), x(1, 2, 4))),
        error(nn.GRU(2, 3), x(2, 2, 2), x(1, 3)),
        error(nn.GRU(2, 3), x(2, 2), x(1, 1, 3)),
        error(nn.GRU(2, 3), x(2)),
        error(nn.RNN(2, 3), x(2)),
        error(nn.GRUCell(2, 3), x(1, 1, 2)),
        error(nn.LSTMCell(2, 3), x(1, 2), (x(1, 1, 3), x(1, 3))),
        error(nn.RNNCell(2, 3, nonlinearity="x"), x(1, 2)),
        error(nn.TransformerEncoderLayer, 4, 2, activation="x"),
        error(nn.Transformer(4, 2, 1, 1, 8), x(2, 3, 4), x(2, 2, 4)),
        error(nn.Transformer(4, 2, 1, 1, 8), x(2, 3, 5), x(2, 3, 5)),
        error(nn.AdaptiveLogSoftmaxWithLoss, 4, 8, []),
        error(nn.AdaptiveLogSoftmaxWithLoss, 4, 8, [3, 2]),
        error(nn.HuberLoss, delta="x"),
        error(nn.TripletMarginLoss, margin=0),
        error(nn.MultiMarginLoss, 3),
    ]


def recurrent_packed(torch):
    nn = torch.nn
    out = []
    for make in (
        lambda: nn.LSTM(2, 3, 2, bidirectional=True),
        lambda: nn.LSTM(2, 3, proj_size=2),
        lambda: nn.GRU(2, 3, bidirectional=True),
        lambda: nn.RNN(2, 3, 2, "relu"),
    ):
        torch.manual_seed(1)
        net = make()
        seqs = [torch.randn(n, 2) for n in (2, 4, 1)]
        packed = nn.utils.rnn.pack_sequence(seqs, enforce_sorted=False)
        y, hidden = net(packed)
        states = tensors_of(hidden)
        again, _ = net(packed, hidden)
        (y.data.sum() + again.data.sum()).backward()
        out.append(
            [
                y.data.tolist(),
                y.batch_sizes.tolist(),
                [t.tolist() for t in states],
                again.data.tolist(),
            ]
        )
        out.append([p.grad.tolist() for p in net.parameters()])
    return out


def attention(torch):
    nn = torch.nn
    torch.manual_seed(0)
    m = nn.MultiheadAttention(4, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True)
    x = torch.randn(2, 3, 4)
    y = torch.randn(2, 5, 4)
    padding = torch.tensor([[False, False, True, True, True], [False, False, False, False, True]])
    causal = torch.ones(3, 5, dtype=torch.bool).triu(1)
    out = []
    for kwargs in (
        {},
        {"key_padding_mask": padding},
        {"attn_mask": causal, "average_attn_weights": False},
        {"need_weights": False, "attn_mask": torch.zeros(3, 5).masked_fill(causal, -1.0)},
    ):
        value, weights = m(x, y, y, **kwargs)
        out.append([value.tolist(), None if weights is None else weights.tolist()])
    value, weights = m(x[0], y[0], y[0])
    out.append([value.tolist(), weights.tolist(), m.merge_masks(causal[:, :3], None, x)[1]])
    return out


def transformers(torch):
    nn = torch.nn
    torch.manual_seed(0)
    m = nn.Transformer(4, 2, 2, 2, 8, 0.0, batch_first=True).eval()
    src, tgt = torch.randn(2, 3, 4), torch.randn(2, 2, 4)
    padding = torch.tensor([[False, False, True], [False, False, False]])
    mask = m.generate_square_subsequent_mask(2)
    out = [mask.tolist(), m(src, tgt, tgt_mask=mask).tolist()]
    out.append(m(src, tgt, src_key_padding_mask=padding, memory_key_padding_mask=padding).tolist())
    with torch.no_grad():  # here PyTorch leaves padding out of the computation
        out.append(m.encoder(src, src_key_padding_mask=padding).tolist())
        out.append(m.encoder(src).tolist())
    d = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, 0.0, "gelu", norm_first=True), 2)
    out.append(d(tgt, src[:, :2], tgt_mask=mask).tolist())
    return out


def adaptive(torch):
    torch.manual_seed(0)
    m = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], head_bias=True)
    x = torch.randn(5, 8)
    target = torch.tensor([0, 19, 5, 3, 11])
    result = m(x, target)
    result.loss.backward()
    out = [
        repr(m),
        result.output.tolist(),
        float(result.loss),
        [p.grad.tolist() for p in m.parameters()],
    ]
    out += [m.log_prob(x).tolist(), m.predict(x).tolist(), m(x[0], target[0]).output.tolist()]
    return [
        *out,
        error(m, x, target + 5),
        error(m, x[:2], target),
        error(m, x[0], target),
        error(m, x, x),
    ]


def embeddings(torch):
    nn = torch.nn
    torch.manual_seed(0)
    e = nn.Embedding(5, 3, padding_idx=1, max_norm=1.0, scale_grad_by_freq=True)
    i = torch.tensor([[0, 1, 2], [2, 2, 4]])
    y = e(i)
    y.sum().backward()
    out = [repr(e), y.tolist(), e.weight.tolist(), e.weight.grad.tolist()]
    p = nn.Embedding.from_pretrained(torch.ones(2, 2))
    out += [
        repr(p),
        p.weight.requires_grad,
        repr(nn.EmbeddingBag.from_pretrained(torch.ones(2, 2), mode="max")),
    ]
    for mode in ("sum", "mean", "max"):
        bag = nn.EmbeddingBag(5, 3, mode=mode)
        y = bag(torch.tensor([0, 1, 2, 4]), torch.tensor([0, 3]))
        y.sum().backward()
        out += [y.tolist(), bag.weight.grad.tolist()]
    return out


PROGRAMS = [
    *[layer(size, item) for size, item in rows(LAYERS)],
    *[loss(item) for _, item in rows(LOSSES)],
    layer_errors,
    recurrent_packed,
    attention,
    transformers,
    adaptive,
    embeddings,
]


def random_layers(torch):
    """What is drawn in training comes in PyTorch's order: a seed drops the same elements."""
    nn = torch.nn
    out = []
    for make, shape in (
        (lambda: nn.Dropout(0.4), (3, 4)),
        (lambda: nn.Dropout1d(0.4), (3, 4, 2)),
        (lambda: nn.Dropout2d(0.4), (2, 3, 2, 2)),
        (lambda: nn.Dropout3d(0.4), (2, 3, 2, 2, 2)),
        (lambda: nn.AlphaDropout(0.4), (3, 4)),
        (lambda: nn.FeatureAlphaDropout(0.4), (3, 4, 2)),
        (lambda: nn.RReLU(), (3, 4)),
        (lambda: nn.FractionalMaxPool2d(2, output_ratio=0.5), (1, 2, 6, 6)),
        (lambda: nn.FractionalMaxPool3d(2, output_size=2), (1, 1, 5, 5, 5)),
        (lambda: nn.LSTM(4, 3, 3, dropout=0.5), (3, 2, 4)),
        (lambda: nn.GRU(4, 3, 2, dropout=0.5, bidirectional=True), (3, 2, 4)),
        (lambda: nn.TransformerEncoderLayer(4, 2, 8), (3, 2, 4)),
    ):
        torch.manual_seed(4)
        module = make()
        outputs = tensors_of(module(torch.randn(shape)))
        drawn = [t.flatten().tolist() for t in outputs]
        out.append([type(module).__name__, *drawn, torch.rand(1).item()])
    return out


PROGRAMS.append(random_layers)


def misuse(torch):
    """Layers called with what does not fit: the operators' errors, in PyTorch's words."""
    rnn, nn, x = torch.nn.utils.rnn, torch.nn, torch.ones
    linear = nn.Linear(2, 3)
    return [
        rnn.pack_padded_sequence(x(3, 2), [5, 1]).batch_sizes.tolist(),
        error(rnn.pack_padded_sequence, x(3, 2), [3]),
        error(rnn.pack_padded_sequence, x(3, 2), [3, -1]),
        error(rnn.pack_padded_sequence, x(3, 2), x(2, 2)),
        error(rnn.pad_sequence, []),
        error(rnn.pad_sequence, 3),
        error(rnn.pad_sequence, [x(2), x(3)], padding_side="x"),
        error(rnn.PackedSequence, x(2)),
        error(nn.Linear),
        error(nn.Linear, 2, 3, 4, 5, 6, 7),
        error(linear),
        error(linear, x(2), x(2)),
        error(linear, x(3)),
        error(nn.Conv2d(1, 1, 3), x(1, 1, 2, 2)),
        error(nn.Conv2d(2, 1, 3), x(1, 1, 4, 4)),
        error(nn.Embedding(3, 2), torch.tensor([5])),
        error(nn.CrossEntropyLoss(), x(2, 3), torch.tensor([0, 7])),
        error(nn.MSELoss(reduction="x"), x(2), x(2)),
        error(nn.BCELoss(), x(2) * 3, x(2)),
        error(nn.BatchNorm1d(3), x(1, 3)),
        error(nn.BatchNorm1d(3), x(2, 4)),
        error(nn.LayerNorm(3), x(2, 4)),
        error(nn.GroupNorm(2, 4), x(2, 3, 2)),
        error(nn.LSTM(2, 3), x(2, 2, 2).double()),
        error(nn.PReLU(3), x(2, 2)),
        error(nn.GLU(), x(3)),
        error(nn.Flatten(3), x(2, 2)),
        error(nn.PixelShuffle(2), x(1, 3, 2, 2)),
        error(nn.Upsample(scale_factor=2, mode="bilinear"), x(1, 2, 3)),
        error(nn.Module().forward),
        error(nn.Module(), 1),
        error(nn.MultiheadAttention(4, 2), x(2, 2, 3), x(2, 2, 4), x(2, 2, 4)),
    ]


PROGRAMS.append(misuse)
