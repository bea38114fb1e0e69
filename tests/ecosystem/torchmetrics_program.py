# needs: torchmetrics lightning_utilities
import torch, torchmetrics as tm
import torchmetrics.functional as F

torch.manual_seed(0)
p = torch.rand(40, 5).softmax(-1)
t = torch.randint(0, 5, (40,))
for cls, kw in [
    (tm.Accuracy, dict(task="multiclass", num_classes=5)),
    (tm.F1Score, dict(task="multiclass", num_classes=5, average="macro")),
    (tm.AUROC, dict(task="multiclass", num_classes=5)),
    (tm.ConfusionMatrix, dict(task="multiclass", num_classes=5)),
    (tm.Precision, dict(task="multiclass", num_classes=5, average="weighted")),
    (tm.AveragePrecision, dict(task="multiclass", num_classes=5)),
    (tm.CohenKappa, dict(task="multiclass", num_classes=5)),
    (tm.MatthewsCorrCoef, dict(task="multiclass", num_classes=5)),
    (tm.CalibrationError, dict(task="multiclass", num_classes=5)),
]:
    m = cls(**kw)
    m.update(p[:20], t[:20])
    print(cls.__name__, m(p[20:], t[20:]), m.compute())
    m.reset()
x = torch.randn(50)
y = x + torch.randn(50) * 0.3
for m in [
    tm.MeanSquaredError(),
    tm.MeanAbsoluteError(),
    tm.R2Score(),
    tm.PearsonCorrCoef(),
    tm.SpearmanCorrCoef(),
    tm.ExplainedVariance(),
    tm.KendallRankCorrCoef(),
]:
    print(type(m).__name__, m(x, y))
i = torch.rand(2, 3, 32, 32)
j = (i + torch.rand(2, 3, 32, 32) * 0.1).clamp(0, 1)
from torchmetrics.image import StructuralSimilarityIndexMeasure as S, PeakSignalNoiseRatio as P

print(S(data_range=1.0)(i, j), P(data_range=1.0)(i, j))
c = tm.MetricCollection(
    {
        "acc": tm.Accuracy(task="multiclass", num_classes=5),
        "f1": tm.F1Score(task="multiclass", num_classes=5),
    }
)
print(c(p, t))
print(c.state_dict(), tm.MeanMetric()(torch.tensor([1.0, 2.0])))
from torchmetrics.text import CharErrorRate, WordErrorRate, Perplexity

print(
    WordErrorRate()(["a b c"], ["a x c"]),
    Perplexity()(torch.randn(2, 4, 6), torch.randint(0, 6, (2, 4))),
)
from torchmetrics.retrieval import RetrievalMAP, RetrievalNormalizedDCG

idx = torch.tensor([0, 0, 0, 1, 1, 1])
pr = torch.rand(6)
tg = torch.tensor([1, 0, 1, 0, 1, 0]).bool()
print(RetrievalMAP()(pr, tg, indexes=idx), RetrievalNormalizedDCG()(pr, tg, indexes=idx))
from torchmetrics.audio import ScaleInvariantSignalDistortionRatio

print(
    ScaleInvariantSignalDistortionRatio()(x, y),
    F.cosine_similarity(p, p.flip(0)),
    F.pairwise_euclidean_distance(p[:3], p[3:6]),
)
import pickle

m = tm.Accuracy(task="binary")
m(torch.rand(4), torch.tensor([1, 0, 1, 0]))
print(pickle.loads(pickle.dumps(m)).compute() == m.compute())
