"""What ``torch.backends.cuda`` and ``torch.backends.cudnn`` switch, where kernels and the public
names both see it."""


class Switches:
    """Precision and choice of algorithms on CUDA devices, with PyTorch's defaults."""

    deterministic = False  # the same bits each time, of torch.use_deterministic_algorithms
    allow_tf32 = False  # float32 matrix products in TF32
    reduced_precision_reduction = True  # sums of half products may be kept in half precision
    cudnn_enabled = True
    cudnn_benchmark = False
    cudnn_benchmark_limit = 10
    cudnn_deterministic = False
    cudnn_allow_tf32 = True  # float32 convolutions in TF32


switches = Switches()
