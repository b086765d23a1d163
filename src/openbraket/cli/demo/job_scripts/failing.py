"""A job's script with a mistake in it, to show where the reason appears."""

import json
import os
from pathlib import Path

hyperparameters = json.loads(Path(os.environ["AMZN_BRAKET_HP_FILE"]).read_text())
print(f"the hyperparameters are {sorted(hyperparameters)}", flush=True)
print(hyperparameters["depth"])
