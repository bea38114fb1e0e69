# needs: torchinfo
import torch
from torchinfo import summary


class Net(torch.nn.Module):
    def __init__(s):
        super().__init__()
        s.c = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        s.l = torch.nn.Linear(4 * 13 * 13, 10)
        s.r = torch.nn.LSTM(10, 6, 2, batch_first=True)

    def forward(s, x):
        y = s.l(s.c(x).flatten(1))
        return s.r(y[:, None])[0]


print(
    summary(
        Net(),
        input_size=(2, 1, 28, 28),
        col_names=(
            "input_size",
            "output_size",
            "num_params",
            "kernel_size",
            "mult_adds",
            "trainable",
        ),
        verbose=0,
    )
)
print(
    summary(
        torch.nn.Transformer(16, 2, 1, 1, 32),
        input_data=[torch.ones(3, 2, 16), torch.ones(2, 2, 16)],
        verbose=0,
    )
)
