"""A stand-in for a training: half a second, a loss, and a checkpoint for a second try.

It needs the standard library only.
"""

import argparse
import json
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--dropout", type=float, default=0.0)
options = parser.parse_args()

checkpoint = Path(os.environ.get("DSICE_DIR", "."), "checkpoint.json")
epoch = json.loads(checkpoint.read_text())["epoch"] if checkpoint.exists() else 0
while epoch < 5:
    time.sleep(0.1)
    epoch += 1
    checkpoint.write_text(json.dumps({"epoch": epoch}))

loss = (options.lr * 100 - 1) ** 2 + abs(options.batch - 64) / 64 + abs(options.dropout - 0.2)
print("GPU of this trial:", os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
print(json.dumps({"loss": loss}))
