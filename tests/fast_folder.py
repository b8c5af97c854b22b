"""Where files need no disk: to save them durably, again and again, would take much of the time of the tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MIN_FREE_BYTES = 1 << 30

_memory = Path("/dev/shm")
_is_fit = _memory.is_dir() and os.access(_memory, os.W_OK) and shutil.disk_usage(_memory).free >= MIN_FREE_BYTES

# None where the machine has none, as the functions of tempfile take it
FAST_FOLDER = str(_memory) if _is_fit else None
