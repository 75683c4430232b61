"""Runnable Beam pipelines: options become transforms, and nothing else happens here.

`python -m pipelines.filter_dump --help`; whatever a pipeline does not know itself is
passed to Beam (`--runner=…`). Without a runner they run in this process.
"""
