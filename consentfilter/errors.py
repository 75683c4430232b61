"""Every error this package raises on purpose.

The tree::

    ConsentFilterError       exit 3 unless said otherwise
    ├── InputError           exit 2  bad input: files, columns, values, options
    ├── PolicyError          exit 1  the policy itself is wrong (RUN_POLICY_INVALID)
    ├── RunRefused           exit 2  a run-level code (RUN_…): nothing was written
    ├── EvidenceError        exit 1  a release, manifest or proof does not hold
    └── StorageError         exit 3  reading, writing or an engine failed

Each message says what was found, what was wanted, where, and the next step.
Several problems of one input travel together in one error (`problems`).
"""

from __future__ import annotations

from collections.abc import Sequence


class ConsentFilterError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        problems: one complete sentence per problem, at least one.
        exit_status: what the command line exits with.
    """

    exit_status: int = 3

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))


class InputError(ConsentFilterError):
    """Bad input: a file, a column, a value or an option is not usable."""

    exit_status = 2


class PolicyError(ConsentFilterError):
    """The policy is not valid; run-level code `RUN_POLICY_INVALID`."""

    exit_status = 1
    code = "RUN_POLICY_INVALID"


class RunRefused(ConsentFilterError):  # noqa: N818  (it is a refusal, not a fault)
    """The run was refused before anything was written.

    Attributes:
        code: one of the run-level codes, e.g. `RUN_SNAPSHOT_STALE`.
    """

    def __init__(self, code: str, problems: str | Sequence[str]) -> None:
        listed = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__([f"{code}: {problem}" for problem in listed])
        self.code = code
        self.exit_status = 1 if code in _POLICY_CODES else 2


_POLICY_CODES = frozenset({"RUN_POLICY_INVALID", "RUN_PURPOSE_UNKNOWN"})


class EvidenceError(ConsentFilterError):
    """A release, a manifest or a proof does not hold."""

    exit_status = 1


class StorageError(ConsentFilterError):
    """Reading or writing failed, or an engine did."""

    exit_status = 3
