"""The filter as Python functions, on a table in memory."""

from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import consentfilter as cf
from consentfilter.errors import InputError
from consentfilter.reasons import CODE, NAME
from tests import made


def _policy(**changes: object) -> cf.Policy:
    return cf.Policy.from_dict({**made.POLICY, **changes})


def _consent() -> cf.Consent:
    return cf.load_consent(made.events(), as_of=made.AS_OF)


def test_decide_gives_one_decision_per_record() -> None:
    decisions = cf.decide(made.records(20), _consent(), _policy())
    assert len(decisions) == 20
    assert [NAME[int(code)] for code in decisions.reason] == [
        made.REASONS[f"u{n % 10}"] for n in range(20)
    ]


def test_decide_needs_no_payload() -> None:
    table = made.records(20)
    with_payload = cf.decide(table, _consent(), _policy())
    without = cf.decide(table.drop_columns(["text"]), _consent(), _policy())
    assert np.array_equal(with_payload.reason, without.reason)


def test_filter_table_gives_rows_and_ledger() -> None:
    table = made.records(20).replace_schema_metadata({"made": "here"})
    admitted, ledger = cf.filter_table(table, _consent(), _policy())
    assert admitted["record_id"].to_pylist() == made.admitted_ids(20)
    assert admitted.schema.equals(table.schema, check_metadata=True)
    assert ledger["record_id"].to_pylist() == table["record_id"].to_pylist()
    assert ledger["out_row"].drop_null().to_pylist() == list(range(12))
    assert ledger["reason"][6].as_py() == "CONSENT_WITHDRAWN"


def test_consent_may_be_a_table_a_path_or_several(tmp_path: pathlib.Path) -> None:
    path = made.write_events(tmp_path)
    policy = made.write_policy(tmp_path)
    table = made.records(10)
    wanted = made.admitted_ids(10)
    for consent in (made.events(), path, [path], pathlib.Path(path)):
        admitted, _ = cf.filter_table(table, consent, policy, as_of=made.AS_OF)
        assert admitted["record_id"].to_pylist() == wanted


def test_a_loaded_consent_has_its_own_instant() -> None:
    with pytest.raises(InputError, match="belong to load_consent"):
        cf.decide(made.records(1), _consent(), _policy(), as_of=made.AS_OF)


def test_duplicates_are_refused_or_all_dropped() -> None:
    table = pa.concat_tables([made.records(3), made.records(1)])
    with pytest.raises(InputError) as caught:
        cf.filter_table(table, _consent(), _policy())
    assert "record_id 'r0' occurs more than once: table row 0, table row 3" in str(
        caught.value
    )
    decisions = cf.decide(table, _consent(), _policy(on_duplicate="drop"))
    assert [int(code) for code in decisions.reason] == [
        CODE["RECORD_INVALID"],
        CODE["OK_CONSENT"],
        CODE["OK_CONSENT"],
        CODE["RECORD_INVALID"],
    ]


def test_an_empty_table_is_no_problem() -> None:
    admitted, ledger = cf.filter_table(made.records(0), _consent(), _policy())
    assert (admitted.num_rows, ledger.num_rows) == (0, 0)


def test_filter_dataset_is_what_the_command_does(tmp_path: pathlib.Path) -> None:
    pq.write_table(made.records(20), tmp_path / "dump.parquet")
    done = cf.filter_dataset(
        tmp_path / "dump.parquet", _consent(), _policy(), out=tmp_path / "release"
    )
    assert (done.rows, done.admitted_rows, done.is_signed) == (20, 12, False)
    data = pq.read_table(tmp_path / "release/data/dump.parquet")
    admitted, _ = cf.filter_table(made.records(20), _consent(), _policy())
    assert data.equals(admitted)


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        _ = cf.no_such  # type: ignore[attr-defined]


def test_decide_is_a_function_whatever_was_imported_before() -> None:
    import consentfilter.decide.kernel as kernel
    from consentfilter.decide import index

    assert callable(cf.decide)
    assert cf.decide.kernel is kernel  # type: ignore[attr-defined]
    assert index.compile_index is not None
    assert len(cf.decide(made.records(1), _consent(), _policy())) == 1
