"""What every test may rely on: quiet threads, and Hypothesis profiles.

`HYPOTHESIS_PROFILE=fuzz` searches longer and at random (`make fuzz`); the default
profile repeats the same examples, so that a red run is red again.
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
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("CONSENTFILTER_FUZZ_EXAMPLES", "100000")),
    print_blob=True,
    **_PATIENT,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
