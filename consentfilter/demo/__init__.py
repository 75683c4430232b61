"""A believable dump of a conferencing product, made up from one seed.

`write_demo` lays out records, consent events and a policy on disk; `summary` says
afterwards what the filter did to whom. Everybody in it is invented.
"""

from __future__ import annotations
