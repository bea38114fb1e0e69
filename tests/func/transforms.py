"""Programs of torch.func, for either library: each is a function of the module ``torch``."""


def inputs(torch):
    torch.manual_seed(0)
    nn = torch.nn
    x, w, v = torch.randn(4, 3), torch.randn(3, 2), torch.randn(4, 3)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 2))
    cnn = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)
    )
    images, labels = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 2, 3, 0])
    return x, w, v, net, cnn, images, labels


def programs(torch):
    F = torch.func
    vmap, grad, vjp, jvp = F.vmap, F.grad, F.vjp, F.jvp
    jacrev, jacfwd, hessian = F.jacrev, F.jacfwd, F.hessian
    functional = torch.nn.functional
    x, w, v, net, cnn, images, labels = inputs(torch)
    params = {k: t.detach() for k, t in cnn.named_parameters()}

    def f(a):
        return (a @ w).sin().sum() * a.exp().sum()

    def loss(p, image, label):
        out = F.functional_call(cnn, p, (image.unsqueeze(0),))
        return functional.cross_entropy(out, label.unsqueeze(0))

    def overwritten(a):
        c = a.clone()
        c[1:].mul_(a[0])
        return c.sin().sum()

    def filled(a):
        c = a.new_zeros(3)
        c[0] = a.sum()
        return c.add_(a)

    def outer_history():
        xs = x.clone().requires_grad_()
        return torch.autograd.grad(vmap(grad(lambda r: (r @ w).tanh().sum()))(xs).pow(2).sum(), xs)

    def rows():
        xs = x.clone().requires_grad_()
        return torch.autograd.grad((xs**3).sum(0), xs, torch.eye(3), is_grads_batched=True)

    functions = {
        "grad": lambda: grad(f)(x),
        "grad_and_value": lambda: F.grad_and_value(f)(x),
        "grad of dict": lambda: grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": x, "b": (v,)}),
        "aux": lambda: grad(lambda a: (a.sum(), {"o": a * 2}), has_aux=True)(x),
        "vmap of grad": lambda: vmap(grad(lambda a: (a @ w).sin().sum()))(x),
        "grad of unmapped": lambda: vmap(
            grad(lambda a, b: (a @ b).sin().sum(), argnums=1), (0, None)
        )(x, w),
        "grad of vmap": lambda: grad(lambda a: vmap(lambda r: (r @ w).sin().sum())(a).sum())(x),
        "grad of grad": lambda: grad(lambda a: grad(f)(a).pow(2).sum())(x),
        "jvp": lambda: jvp(f, (x,), (v,)),
        "jvp of grad": lambda: jvp(grad(f), (x,), (v,)),
        "grad of jvp": lambda: grad(lambda a: jvp(f, (a,), (v,))[1])(x),
        "jvp of jvp": lambda: jvp(lambda a: jvp(f, (a,), (v,))[1], (x,), (x,)),
        "vjp": lambda: vjp(lambda a: (a @ w, a.sin()), x)[1]((torch.ones(4, 2), v)),
        "linearize": lambda: F.linearize(f, x)[1](v),
        "jacrev": lambda: jacrev(lambda a: (a @ w).tanh())(x),
        "jacrev in chunks": lambda: jacrev(lambda a: (a @ w).tanh(), chunk_size=3)(x),
        "jacfwd": lambda: jacfwd(lambda a: (a @ w).tanh())(x),
        "jacfwd aux": lambda: jacfwd(lambda a: (a.sum(0), a), has_aux=True)(x),
        "jacrev of two": lambda: jacrev(
            lambda a, b: {"o": (a @ b).sin(), "p": a.sum()}, argnums=(0, 1)
        )(x, w),
        "jacfwd of two": lambda: jacfwd(
            lambda a, b: {"o": (a @ b).sin(), "p": a.sum()}, argnums=(0, 1)
        )(x, w),
        "jacrev of jacrev": lambda: jacrev(jacrev(lambda a: (a @ w).tanh()))(x),
        "jacfwd of jacfwd": lambda: jacfwd(jacfwd(f))(x),
        "jacrev of jacfwd": lambda: jacrev(jacfwd(f))(x),
        "hessian": lambda: hessian(f)(x),
        "vmap of jacrev": lambda: vmap(jacrev(lambda a: (a @ w).tanh()))(x),
        "vmap of hessian": lambda: vmap(hessian(lambda a: (a @ w).tanh().sum()))(x),
        "vmap of vmap": lambda: vmap(vmap(lambda a, b: a * b + 1, (0, None)), (0, 0))(x, x[:, 0]),
        "per-sample gradients": lambda: vmap(grad(loss), (None, 0, 0))(params, images, labels),
        "ensemble": lambda: vmap(lambda p: F.functional_call(cnn, p, (images,)))(
            {k: torch.stack([t, t * 2]) for k, t in params.items()}
        ),
        "captured parameters": lambda: torch.autograd.grad(
            vmap(lambda a: net(a).sum())(x).sum(), list(net.parameters())
        ),
        "history outside": outer_history,
        "is_grads_batched": rows,
        "dims": lambda: vmap(lambda a: (a, a.sum()), in_dims=1, out_dims=(1, 0), chunk_size=2)(x),
        "index": lambda: vmap(lambda a, i: a[i])(x, torch.tensor([[0, 1], [1, 2], [0, 0], [2, 1]])),
        "index by number": lambda: vmap(lambda a, i: a[i])(x, torch.tensor([0, 1, 2, 0])),
        "in place": lambda: vmap(lambda a: torch.zeros_like(a).add_(a).mul_(2))(x),
        "in place on views": lambda: vmap(grad(overwritten))(x),
        "in place, forward": lambda: jvp(overwritten, (x,), (v,)),
        "new tensors": lambda: vmap(filled)(x),
        "index_put": lambda: vmap(lambda a: a.clone().index_put_((torch.tensor([0]),), a.sum()))(x),
        "sorted": lambda: vmap(lambda a: torch.stack([a, a * 2]).softmax(0).cumsum(-1).sort(-1)[0])(
            x
        ),
        "max": lambda: tuple(vmap(lambda a: a.max(0))(x)),
        "conv, forward": lambda: jvp(
            lambda a: functional.conv2d(a, params["0.weight"]).relu().amax((2, 3)),
            (images,),
            (images.sin(),),
        ),
        "functional, forward mode": lambda: torch.autograd.functional.jacobian(
            lambda a: (a @ w).tanh(), x, vectorize=True, strategy="forward-mode"
        ),
        "functional hessian": lambda: torch.autograd.functional.hessian(
            f, x, vectorize=True, outer_jacobian_strategy="forward-mode"
        ),
        "rearrange": lambda: F.rearrange(images, "b c (h p) (w q) -> b (h w) (c p q)", p=4, q=4),
    }
    for randomness in ("same", "different"):
        for name, draw in {
            "rand": lambda a: torch.rand(3),
            "randperm": lambda a: torch.randperm(4),
            "rand_like": torch.rand_like,
            "normal_": lambda a: a.clone().normal_(),
            "dropout": lambda a: functional.dropout(a, 0.5),
            "dropout of unmapped": lambda a: functional.dropout(torch.ones(3), 0.5),
        }.items():
            functions[f"{name}, {randomness}"] = lambda d=draw, r=randomness: (
                torch.manual_seed(0) and vmap(d, randomness=r)(x)
            )
    return functions


def refusals(torch):
    F = torch.func
    vmap, grad, jvp = F.vmap, F.grad, F.jvp
    x, zeros = torch.arange(6.0).view(2, 3), torch.zeros(3)
    return {
        "control flow": lambda: vmap(lambda a: a if a.sum() > 0 else -a)(x),
        "item": lambda: vmap(lambda a: a.sum().item())(x),
        "float": lambda: vmap(lambda a: float(a.sum()))(x),
        "numpy": lambda: vmap(lambda a: a.numpy())(x),
        "tolist": lambda: vmap(lambda a: a.tolist())(x),
        "mask": lambda: vmap(lambda a: a[a > 1])(x),
        "nonzero": lambda: vmap(lambda a: a.nonzero())(x),
        "captured": lambda: vmap(lambda a: zeros.copy_(a))(x),
        "random": lambda: vmap(lambda a: torch.rand(3))(x),
        "dropout": lambda: vmap(torch.nn.functional.dropout)(x),
        "unbatched": lambda: vmap(lambda a: torch.ones(3).normal_(), randomness="different")(x),
        "no tensor": lambda: vmap(lambda a: 3)(x),
        "in_dims": lambda: vmap(lambda a: a, in_dims=3)(x),
        "in_dims None": lambda: vmap(lambda a: a, in_dims=None)(x),
        "in_dims structure": lambda: vmap(lambda a: a, in_dims=(0, 0))(x),
        "no inputs": lambda: vmap(lambda: 1)(),
        "sizes": lambda: vmap(lambda a, b: a)(x, torch.ones(3)),
        "number": lambda: vmap(lambda a, b: a)(x, 3),
        "out_dims": lambda: vmap(lambda a: (a, a), out_dims=(0,))(x),
        "out_dims kind": lambda: vmap(lambda a: a, out_dims=1.5)(x),
        "out_dims None": lambda: vmap(lambda a: a, out_dims=None)(x),
        "chunk_size": lambda: vmap(lambda a: a, chunk_size=0)(x),
        "randomness": lambda: vmap(lambda a: a, randomness="x")(x),
        "backward": lambda: grad(lambda a: a.sum().backward())(x),
        "not a number": lambda: grad(lambda a: a)(x),
        "not a tensor": lambda: grad(lambda a: 3)(x),
        "integers": lambda: grad(lambda a: a.sum())(torch.ones(3, dtype=torch.long)),
        "argnums": lambda: grad(lambda a: a.sum(), argnums=2)(x),
        "leaf": lambda: grad(lambda a: a.mul_(2).sum())(x.clone()),
        "aux": lambda: grad(lambda a: a.sum(), has_aux=True)(x),
        "jvp shape": lambda: jvp(lambda a: a, (x,), (x[0],)),
        "jvp primals": lambda: jvp(lambda a: a, x, x),
        "jvp strict": lambda: jvp(lambda a: torch.ones(2), (x,), (x,), strict=True),
        "vjp": lambda: F.vjp(lambda a: a * 2, x)[1]((x, x)),
        "batch norm": lambda: vmap(torch.nn.BatchNorm1d(3))(torch.ones(2, 4, 3)),
    }


def flat(torch, value):
    """The tensors of a nested value, dictionaries in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [t for part in parts for t in flat(torch, part)]
