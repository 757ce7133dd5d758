"""Serve one GGUF file with llama.cpp, as a process of its own.

``python -m phrasing.models.local.serve FILE --context N --threads N``

Its first and only line on standard output is ``{"url": …}``, when the model is loaded. It ends when its standard input does, so
it never outlives its parent, whatever ended that one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading


def _end_with_parent() -> None:
    # reading returns nothing only when every holder of the other end is gone, also one that was killed
    while os.read(0, 1024):  # not through a buffer, whose lock would be held when this process ends by itself
        pass
    os._exit(0)


def main() -> None:
    """Load the model, say where it is, and wait."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which still has answers to write down
    threading.Thread(target=_end_with_parent, daemon=True).start()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked.file
    params.n_ctx = asked.context
    params.n_parallel = 1  # more slots are no faster on a CPU, and answers then depend on what else is asked
    params.cpuparams.n_threads = asked.threads
    params.cpuparams_batch.n_threads = asked.threads
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # sleep, don't spin; where OpenMP is used, its environment says so
    params.sampling.seed = 1
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.endpoint_props = True
    try:
        server = xllamacpp.Server(params)
    except Exception as error:  # whatever it raises, the parent shows the last line
        os.write(2, f"\n{error}\n".encode(errors="replace"))
        os._exit(1)
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    threading.Event().wait()  # llama.cpp's destructor can hang: this process leaves by os._exit or by a signal only


if __name__ == "__main__":
    main()
