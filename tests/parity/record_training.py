"""Write training_programs.json: the first ten losses of each program with PyTorch.

python tests/parity/record_training.py
"""

import json
from pathlib import Path

import torch
from training_programs import PROGRAMS

losses = {program.__name__: program(torch, 10) for program in PROGRAMS}
Path(__file__).with_name("training_programs.json").write_text(json.dumps(losses, indent=1) + "\n")
