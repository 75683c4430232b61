"""`ConsentFilter`: one step in a pipeline that keeps what may train a model."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import FixedWindows, GlobalWindows, Sessions
from apache_beam.typehints import typehints

from consentfilter.dataset import Dataset, load_dataset_binding
from consentfilter.engine.beam import coder as _coder  # noqa: F401  (registers it)
from consentfilter.engine.beam.decide_fns import (
    DROPPED,
    ERRORS,
    KEPT,
    LEDGER,
    DecideBatches,
    DecideRows,
    DecideRowsByWindow,
)
from consentfilter.engine.beam.pointer import Pointed
from consentfilter.engine.beam.runners import refuse_distance, refuse_pipeline
from consentfilter.engine.beam.shapes import RowShape
from consentfilter.engine.cluster.carried import carry
from consentfilter.engine.cluster.deciding import Deciding
from consentfilter.engine.cluster.keys import carry_keys
from consentfilter.engine.prepare import (
    RELEASE_KEY_BYTES,
    AnyPath,
    ConsentLike,
    load_deciders,
)
from consentfilter.engine.storage import locate
from consentfilter.errors import InputError
from consentfilter.policy import Policy, load_policy

#: Rows gathered before they are decided together.
DEFAULT_BATCH_ROWS: Final = 16_384


class Decided(NamedTuple):
    """What `ConsentFilter` gives.

    Attributes:
        kept: what may be used, kept or redacted, of the input's element type.
        dropped: batches with a further column `consentfilter_reason`; for rows,
            pairs (reason, row).
        ledger: record batches, one row per record (`LEDGER_SCHEMA`).
        errors: pairs (message, element) that could not be read; empty unless
            `catch_errors` was said.
    """

    kept: beam.PCollection
    dropped: beam.PCollection
    ledger: beam.PCollection
    errors: beam.PCollection


class ConsentFilter(beam.PTransform):
    """Decides every record of a PCollection by policy and consent.

    Elements are `pa.RecordBatch` (fast) or rows: a NamedTuple, `beam.Row`, or dict.
    The PCollection must be typed. Each element is decided by itself, so that ids
    that occur twice in the PCollection are not noticed here; a release is where
    they are (`FilterParquet`).

    Example::

        decided = rows | ConsentFilter("policy.yaml", ["events.parquet"])
        decided.kept | "Train on" >> WriteTraining()
        decided.ledger | "Say why" >> WriteLedger()

    In streaming, leave `consent` out and give the readings of a pointer
    (`ReadPointer`), over elements in windows of time: a new snapshot takes effect with
    its first reading, and while there is none everything is dropped.
    """

    def __init__(
        self,
        policy: Policy | AnyPath,
        consent: ConsentLike | None = None,
        *,
        pointer: beam.PCollection | None = None,
        dataset: Dataset | AnyPath | None = None,
        as_of: dt.datetime | None = None,
        subjects: AnyPath | pa.Table | None = None,
        links: AnyPath | pa.Table | None = None,
        release_key: bytes | None = None,
        id_key: bytes | None = None,
        schema: pa.Schema | None = None,
        staging: str | None = None,
        batch_rows: int = DEFAULT_BATCH_ROWS,
        catch_errors: bool = False,
    ) -> None:
        """Load and check what decides.

        Args:
            policy: a policy or its file.
            consent: loaded consent, event files or a snapshot, or a table of events.
            pointer: instead of `consent`: what `ReadPointer` gives.
            dataset: a binding or its file; None: the standard layout.
            as_of: the instant of the decision (consent that is not loaded yet).
            subjects: side file of people (likewise).
            links: side file of linked identities (likewise).
            release_key: 32 bytes that key pseudonyms; None: random.
            id_key: keys subject ids; must be the snapshot's.
            schema: columns of dict elements whose type values do not always show.
            staging: where consent of more than 1 MiB is put, for workers that are
                other processes.
            batch_rows: rows gathered before they are decided together.
            catch_errors: give what cannot be read to `errors` instead of failing.

        Raises:
            ValueError: both or neither of `consent` and `pointer` were given.
            ConsentFilterError: what was given cannot be used.
        """
        super().__init__()
        if (consent is None) == (pointer is None):
            raise ValueError("give either consent or pointer")
        keys = carry_keys(release_key or secrets.token_bytes(RELEASE_KEY_BYTES), id_key)
        self._schema, self._batch_rows = schema, batch_rows
        self._catches = catch_errors
        self._pointer = pointer
        self._deciding: Deciding | Pointed
        if consent is None:
            binding = _dataset(dataset)
            self._deciding = Pointed(_policy(policy), binding, keys)
            return
        deciders = load_deciders(
            consent,
            policy,
            dataset=dataset,
            as_of=as_of,
            subjects=subjects,
            links=links,
            id_key=id_key,
        )
        self._deciding = Deciding(
            deciders.policy,
            deciders.dataset,
            deciders.taxonomy,
            carry(deciders.consent, None if staging is None else locate(staging)),
            keys,
        )

    def expand(self, elements: beam.PCollection) -> Decided:
        """Decide; every record is in exactly one of kept, dropped and errors."""
        refuse_pipeline(elements.pipeline)
        if isinstance(self._deciding, Deciding):
            refuse_distance(elements.pipeline, self._deciding.consent)
        if self._pointer is not None:
            _refuse_global_window(elements)
        kind = elements.element_type
        is_rows = kind != pa.RecordBatch
        made = elements | "Decide" >> beam.ParDo(
            self._decide_rows(elements) if is_rows else self._decide_batches(),
            *self._side_inputs(),
        ).with_outputs(DROPPED, LEDGER, ERRORS, main=KEPT)
        kinds = {
            KEPT: kind,
            DROPPED: typehints.Tuple[str, kind] if is_rows else kind,
            LEDGER: pa.RecordBatch,
            ERRORS: typehints.Tuple[str, kind],
        }
        # Something that takes single elements stands behind every output. Rows come out
        # of `finish_bundle`, and what a step emits there is lost if the next one takes
        # batches (Beam's dataframes do).
        outputs = []
        for tag, wanted in kinds.items():
            if is_rows and tag in (KEPT, DROPPED):
                label, step, came = (
                    "Unfold",
                    beam.FlatMap(_same),
                    typehints.List[wanted],
                )
            else:
                label, step, came = "Pass on", beam.Map(_same), wanted
            made[tag].element_type = came
            outputs.append(
                made[tag] | f"{label} {tag}" >> step.with_output_types(wanted)
            )
        return Decided(*outputs)

    def _decide_batches(self) -> beam.DoFn:
        return DecideBatches(self._deciding, catches=self._catches)

    def _decide_rows(self, elements: beam.PCollection) -> beam.DoFn:
        has_one_window = isinstance(
            elements.windowing.windowfn, GlobalWindows | FixedWindows | Sessions
        )
        return (DecideRows if has_one_window else DecideRowsByWindow)(
            self._deciding,
            RowShape.of(elements.element_type, self._schema),
            batch_rows=self._batch_rows,
            catches=self._catches,
        )

    def _side_inputs(self) -> Sequence[Any]:
        return () if self._pointer is None else (beam.pvalue.AsIter(self._pointer),)


def _same(element: Any) -> Any:
    return element


def _refuse_global_window(elements: beam.PCollection) -> None:
    """Refuse elements for which no reading of the pointer would ever be ready."""
    if isinstance(elements.windowing.windowfn, GlobalWindows):
        raise InputError(
            "ConsentFilter: with a pointer the elements need windows of time, found "
            "the global window, which ends when the pipeline does; put "
            "beam.WindowInto(FixedWindows(60)) before it."
        )


def _policy(policy: Policy | AnyPath) -> Policy:
    return policy if isinstance(policy, Policy) else load_policy(policy)


def _dataset(dataset: Dataset | AnyPath | None) -> Dataset:
    if dataset is None:
        return Dataset()
    return dataset if isinstance(dataset, Dataset) else load_dataset_binding(dataset)
