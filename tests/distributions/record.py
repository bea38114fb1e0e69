"""Write recorded.json, what PyTorch says: ``python tests/distributions/record.py``."""

import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def short(value):
    """Floats with eight digits: float32 has no more."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [short(v) for v in value]
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    return value


def main():
    """Record."""
    import torch
    import torch.distributions
    from cases import everything

    warnings.simplefilter("ignore")
    text = json.dumps(short(everything(torch)), separators=(",", ":"))
    (HERE / "recorded.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
