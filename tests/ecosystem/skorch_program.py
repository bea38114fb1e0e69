# needs: skorch sklearn tabulate
import torch, numpy as np
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EarlyStopping, LRScheduler, EpochScoring
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = make_classification(100, 8, n_informative=4, random_state=0)
X = X.astype("float32")
y = y.astype("int64")


class M(torch.nn.Module):
    def __init__(s, h=8):
        super().__init__()
        s.n = torch.nn.Sequential(
            torch.nn.Linear(8, h), torch.nn.ReLU(), torch.nn.Linear(h, 2), torch.nn.Softmax(-1)
        )

    def forward(s, x):
        return s.n(x)


net = NeuralNetClassifier(
    M,
    max_epochs=4,
    lr=0.1,
    iterator_train__shuffle=True,
    verbose=0,
    callbacks=[EpochScoring("roc_auc", lower_is_better=False), LRScheduler("StepLR", step_size=2)],
)
net.fit(X, y)
print(
    net.history[:, ("train_loss", "valid_loss", "valid_acc", "roc_auc")], net.predict_proba(X)[:2]
)
print(make_pipeline(StandardScaler(), net).fit(X, y).score(X, y))
g = GridSearchCV(
    NeuralNetClassifier(M, max_epochs=2, verbose=0, train_split=None),
    {"module__h": [4, 8], "lr": [0.1]},
    cv=2,
).fit(X, y)
print(g.best_score_, g.best_params_)
import tempfile, os

with tempfile.TemporaryDirectory() as d:
    net.save_params(f_params=d + "/p.pt", f_optimizer=d + "/o.pt", f_history=d + "/h.json")
    n2 = NeuralNetClassifier(M).initialize()
    n2.load_params(f_params=d + "/p.pt")
    print(np.allclose(n2.predict_proba(X), net.predict_proba(X)))
import pickle

print(np.allclose(pickle.loads(pickle.dumps(net)).predict_proba(X), net.predict_proba(X)))
