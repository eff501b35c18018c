"""Counters in Prometheus' text format: requests, latencies, and the state of the backends."""

from __future__ import annotations

import bisect
import resource
import time
from collections import defaultdict

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}


class Metrics:
    """All of one process, touched by its event loop only. A route is its template, not a path."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._backends: dict[str, bool] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        # Methods and paths that a client invents must not become series without end.
        key = (method if method in _METHODS else "other", route)
        self._requests[*key, status] += 1
        self._seconds[key] += seconds
        buckets = self._buckets.setdefault(key, [0] * (len(BUCKETS) + 1))
        buckets[bisect.bisect_left(BUCKETS, seconds)] += 1

    def backend(self, name: str, up: bool) -> None:
        """What the last request to a backend found."""
        self._backends[name] = up

    def render(self) -> str:
        """The exposition, ended by a newline."""
        lines = [
            "# HELP http_requests_total Requests answered, by route template.",
            "# TYPE http_requests_total counter",
        ]
        for (method, route, status), n in sorted(self._requests.items()):
            labels = f'{_labels(method, route)},status="{status}"'
            lines.append(f"http_requests_total{{{labels}}} {n}")
        lines += [
            "# HELP http_request_duration_seconds Time to the end of the answer.",
            "# TYPE http_request_duration_seconds histogram",
        ]
        for key, buckets in sorted(self._buckets.items()):
            labels = _labels(*key)
            total = 0
            for bound, n in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
                total += n
                lines.append(
                    f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {total}'
                )
            seconds = self._seconds[key]
            lines.append(f"http_request_duration_seconds_sum{{{labels}}} {seconds:.6f}")
            lines.append(f"http_request_duration_seconds_count{{{labels}}} {total}")
        lines += [
            "# HELP backend_up Whether the last request to the backend was answered.",
            "# TYPE backend_up gauge",
            *(f'backend_up{{service="{n}"}} {int(up)}' for n, up in sorted(self._backends.items())),
            "# HELP process_start_time_seconds Unix time of the start.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self._started:.3f}",
            "# HELP process_cpu_seconds_total CPU time used.",
            "# TYPE process_cpu_seconds_total counter",
            f"process_cpu_seconds_total {time.process_time():.3f}",
            "# HELP process_max_resident_memory_bytes The most memory used so far.",
            "# TYPE process_max_resident_memory_bytes gauge",
            f"process_max_resident_memory_bytes {_peak_bytes()}",
        ]
        return "\n".join(lines) + "\n"


def _labels(method: str, route: str) -> str:
    quoted = route.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'method="{method}",route="{quoted}"'


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux


METRICS = Metrics()
