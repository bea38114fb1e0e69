# needs: pytorch_lightning lightning_fabric torchmetrics
import torch, logging, warnings

warnings.simplefilter("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
import pytorch_lightning as pl, tempfile
from pytorch_lightning.callbacks import ModelCheckpoint, EarlyStopping, LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger

pl.seed_everything(0)


class L(pl.LightningModule):
    def __init__(s, h=8):
        super().__init__()
        s.save_hyperparameters()
        s.n = torch.nn.Sequential(torch.nn.Linear(4, h), torch.nn.ReLU(), torch.nn.Linear(h, 1))
        s.out = []
        s.example_input_array = torch.zeros(2, 4)

    def forward(s, x):
        return s.n(x)

    def training_step(s, b, i):
        l = (s(b[0]) - b[1]).square().mean()
        s.log("train", l, on_epoch=True, prog_bar=True)
        s.out.append(l.item())
        return l

    def validation_step(s, b, i):
        s.log("val", (s(b[0]) - b[1]).square().mean())

    def predict_step(s, b, i):
        return s(b[0])

    def configure_optimizers(s):
        o = torch.optim.Adam(s.parameters(), 1e-2)
        return {"optimizer": o, "lr_scheduler": torch.optim.lr_scheduler.StepLR(o, 1, 0.5)}


x = torch.randn(64, 4)
ds = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
tl = torch.utils.data.DataLoader(ds, 16, shuffle=True)
vl = torch.utils.data.DataLoader(ds, 16)
with tempfile.TemporaryDirectory() as d:
    m = L()
    ck = ModelCheckpoint(d, monitor="val")
    t = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=1,
        logger=CSVLogger(d),
        callbacks=[ck, EarlyStopping("val"), LearningRateMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        accumulate_grad_batches=2,
        log_every_n_steps=1,
    )
    t.fit(m, tl, vl)
    print(m.out)
    print(t.callback_metrics)
    print(t.validate(m, vl, verbose=False))
    print(torch.cat(t.predict(m, vl)).sum())
    m2 = L.load_from_checkpoint(ck.best_model_path)
    print(m2.hparams, m2(x).sum())
    t = pl.Trainer(
        max_epochs=4,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    t.fit(L(), tl, vl, ckpt_path=ck.best_model_path)
    print(t.global_step)
    t = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=False,
        precision="bf16-mixed",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        limit_train_batches=2,
    )
    t.fit(L(), tl)
