"""What every test may rely on: quiet threads, and Hypothesis profiles.

The default profile repeats the same examples, so that a red run is red again;
`HYPOTHESIS_PROFILE=random` searches further, elsewhere each time.
"""

from __future__ import annotations

import os

# Before polars is imported: test workers share the cores.
os.environ.setdefault("POLARS_MAX_THREADS", "2")

from hypothesis import HealthCheck, settings

_PATIENT = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("default", derandomize=True, **_PATIENT)
settings.register_profile("random", max_examples=1000, print_blob=True, **_PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
