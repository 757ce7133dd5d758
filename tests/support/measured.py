"""What reading a log takes of memory, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")

_MEASURE = """
import sys
from pathlib import Path
from phrasing.suite import dataset
from phrasing.importers.json_stream import LogEntry
from phrasing.importers.log_files import read_records
try:
    import pyarrow.parquet
except ImportError:
    pass
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
found = sum(isinstance(one, LogEntry) for one in read_records(Path(sys.argv[1])))
print(found, (peak() - before) // 1024)
"""


def entries_and_memory(log: Path) -> tuple[int, int]:
    """Count a log's entries, and the megabytes by which the most memory grew meanwhile.

    Linux tells that of a process; ``getrusage`` counts what the process that started it had as well.
    """
    if not STATUS.exists():
        pytest.skip("only Linux tells the most memory that a process took")
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(log)], check=True, capture_output=True, text=True)
    found, megabytes = map(int, done.stdout.split())
    return found, megabytes
