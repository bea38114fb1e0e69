# needs: ignite
import torch
from ignite.engine import Engine, Events, create_supervised_trainer, create_supervised_evaluator
from ignite.metrics import Accuracy, Loss, RunningAverage, ConfusionMatrix, Precision, Recall, Fbeta
from ignite.handlers import (
    EarlyStopping,
    ModelCheckpoint,
    Timer,
    LRScheduler,
    PiecewiseLinear,
    create_lr_scheduler_with_warmup,
)
from ignite.contrib.handlers import ProgressBar
import tempfile

torch.manual_seed(0)
x = torch.randn(64, 4)
y = (x.sum(1) > 0).long()
dl = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16, shuffle=True)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
opt = torch.optim.SGD(net.parameters(), 0.1)
crit = torch.nn.CrossEntropyLoss()
tr = create_supervised_trainer(net, opt, crit)
p = Precision(average=False)
ev = create_supervised_evaluator(
    net, metrics={"acc": Accuracy(), "loss": Loss(crit), "cm": ConfusionMatrix(2), "p": p}
)
RunningAverage(output_transform=lambda o: o).attach(tr, "l")


@tr.on(Events.EPOCH_COMPLETED)
def f(e):
    ev.run(dl)
    print(e.state.epoch, e.state.metrics["l"], ev.state.metrics)


tr.add_event_handler(Events.ITERATION_STARTED, PiecewiseLinear(opt, "lr", [(0, 0.1), (12, 0.01)]))
with tempfile.TemporaryDirectory() as d:
    ck = ModelCheckpoint(d, "m", n_saved=2, create_dir=True)
    tr.add_event_handler(Events.EPOCH_COMPLETED, ck, {"model": net, "opt": opt})
    tr.run(dl, 3)
    print(len(ck._saved))
    net.load_state_dict(
        torch.load(ck.last_checkpoint)["model"]
        if isinstance(torch.load(ck.last_checkpoint), dict)
        and "model" in torch.load(ck.last_checkpoint)
        else torch.load(ck.last_checkpoint)
    )
print(opt.param_groups[0]["lr"])
