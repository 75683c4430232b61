"""Beam's worker pool for a cluster of several TaskManagers on one machine.

    python worker_pool.py PORT

Like `apache_beam.runners.worker.worker_pool_main`, but for one thing. A
TaskManager numbers its workers itself, so two of them ask for a worker `1-1`; the
stock pool keeps one process per number, and the first TaskManager to say "stop
1-1" kills the other one's worker. The next job then hangs or restarts for ever.
Here a stop request is only acknowledged: a worker ends by itself when the
TaskManager closes its control connection, also when that one was killed.
"""

from __future__ import annotations

import subprocess
import sys

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import worker_pool_main

_WORKER = (
    "import sys; from apache_beam.runners.worker.sdk_worker import SdkHarness; "
    "SdkHarness(sys.argv[1], worker_id=sys.argv[2], state_cache_size=0, "
    "data_buffer_time_limit_ms=-1).run()"
)


class Pool(worker_pool_main.BeamFnExternalWorkerPoolServicer):
    """Starts workers; leaves their end to themselves."""

    def StartWorker(self, start_worker_request, unused_context):  # noqa: N802
        """Start one worker process that connects to the asking TaskManager."""
        endpoint = start_worker_request.control_endpoint.url
        worker_id = start_worker_request.worker_id
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, endpoint, worker_id],
            stdin=subprocess.DEVNULL,
        )
        self._worker_processes[f"{endpoint} {worker_id}"] = process
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, stop_worker_request, unused_context):  # noqa: N802
        """Acknowledge; the worker ends with its control connection."""
        return beam_fn_api_pb2.StopWorkerResponse()


if __name__ == "__main__":
    _, server = Pool.start(use_process=True, port=int(sys.argv[1]))
    server.wait_for_termination()
