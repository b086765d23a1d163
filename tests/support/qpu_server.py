"""A whole service whose catalogue has a quantum processor beside SV1: a process of its own.

Its arguments are the data directory and `conflict` or `accept`; it prints `ready URL`.
"""

import sys
from pathlib import Path

from openbraket.devices import Catalogue
from openbraket.server.run import run
from openbraket.server.settings import Settings
from support.office import EMERALD, GARNET, GONE, SV1, qpu

if __name__ == "__main__":
    devices = [qpu(GARNET), qpu(EMERALD), qpu(GONE, status="RETIRED"), Catalogue().require(SV1)]
    settings = Settings(
        data_dir=Path(sys.argv[1]),
        port=0,
        cancel_of_ended=sys.argv[2],
        # Jobs wait, so that what becomes of them is the caller's doing alone.
        job_instance_count_max=0,
    )
    run(
        settings,
        announce=lambda url: print(f"ready {url}", flush=True),
        exit_on_stdin_close=True,
        catalogue=Catalogue(devices),
    )
