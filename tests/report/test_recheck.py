"""Re-check finds exactly what a new filter run would no longer admit."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consentfilter.errors import EvidenceError, InputError
from consentfilter.lineage import opened
from consentfilter.lineage.opened import OpenedRelease
from consentfilter.report import changed, standing
from consentfilter.report.recheck import recheck
from tests.report.conftest import AFTER, World


@pytest.fixture(scope="module")
def release(world: World) -> OpenedRelease:
    return opened.open_release(world.before)


def ledger(where: Path) -> pl.DataFrame:
    files = sorted((where / "private/ledger").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files]).filter(
        pl.col("record_id").is_not_null()
    )


def no_longer_admitted(before: Path, after: Path) -> set[str]:
    """What two whole filter runs say: dropped now, or more redacted than before."""
    both = ledger(before).join(ledger(after), on="record_id", suffix="_now")
    admitted = both.filter(pl.col("out_row").is_not_null())
    more = pl.col("redacted_now").list.set_difference("redacted").list.len() > 0
    gone = admitted.filter(pl.col("out_row_now").is_null() | more)
    return set(gone["record_id"])


def test_withdrawals_remove_what_a_new_run_would_not_admit(
    world: World, release: OpenedRelease
) -> None:
    found = recheck(release, [world.files.consent, world.later], **world.side)
    expected = no_longer_admitted(world.before, world.after)
    assert len(expected) > 10
    assert set(found.removals["record_id"].to_pylist()) == expected
    assert found.as_of == AFTER
    assert found.people_changed is not None
    assert 0 < found.people_changed < 40
    assert len(expected) <= found.rows_checked < found.rows_admitted / 4
    assert sum(found.by_reason.values()) == found.removals.num_rows
    assert "CONSENT_WITHDRAWN" in found.by_reason
    assert "SUBJECT_UNKNOWN" not in found.by_reason  # nobody, only in masked segments


def test_deciding_everything_again_finds_the_same(
    world: World, release: OpenedRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = [world.files.consent, world.later]
    some = recheck(release, consent, **world.side)
    monkeypatch.setattr("consentfilter.report.recheck._HELD_ROWS", 1)
    held = recheck(release, consent, **world.side)
    assert held.removals.equals(some.removals)
    monkeypatch.setattr(
        changed, "_why_all", lambda release, deciders: "the test wants it"
    )
    every = recheck(release, consent, **world.side)
    assert every.removals.equals(some.removals)
    assert every.rows_checked == every.rows_admitted
    assert every.people_changed is None


def test_the_removal_list_points_at_the_rows(
    world: World, release: OpenedRelease
) -> None:
    found = recheck(release, [world.files.consent, world.later], **world.side)
    assert found.removals.schema == standing.REMOVAL_SCHEMA
    order = [(row["data_path"], row["out_row"]) for row in found.removals.to_pylist()]
    assert order == sorted(order)
    for row in found.removals.to_pylist()[:20]:
        data = pq.read_table(world.before / row["data_path"])
        assert data["record_id"][row["out_row"]].as_py() == row["record_id"]
        assert row["decision_before"] in ("keep", "redact")
        assert row["decision_now"] in ("drop", "redact")


def test_the_same_consent_changes_nothing(world: World, release: OpenedRelease) -> None:
    found = recheck(release, [world.files.consent], **world.side)
    assert found.removals.num_rows == 0
    assert found.rows_checked == 0
    assert found.people_changed == 0


def test_another_policy_is_asked_of_every_row(
    world: World, release: OpenedRelease, tmp_path: Path
) -> None:
    text = world.policy.read_text(encoding="utf-8")
    stricter = tmp_path / "policy.yaml"
    stricter.write_text(
        text.replace("min_retained: 0.4", "min_retained: 0.8"), encoding="utf-8"
    )
    assert stricter.read_text(encoding="utf-8") != text
    found = recheck(release, [world.files.consent], policy=stricter, **world.side)
    assert found.why_all == "the policy is another one than the release's"
    again = world.filter(tmp_path / "again", policy=stricter)
    expected = no_longer_admitted(world.before, again)
    assert expected
    assert set(found.removals["record_id"].to_pylist()) == expected
    same = tmp_path / "same.yaml"
    same.write_text(text.replace('version: "', 'version: "9'), encoding="utf-8")
    found = recheck(release, [world.files.consent], policy=same, **world.side)
    assert found.rows_checked == found.rows_admitted
    assert found.removals.num_rows == 0


@pytest.mark.parametrize("what", ["valid_until", "max_age"])
def test_time_alone_can_end_a_permission(
    world: World, tmp_path: Path, what: str
) -> None:
    files = sorted(world.files.consent.glob("*.parquet"))
    events = pl.concat([pl.read_parquet(file) for file in files])
    policy = world.policy
    if what == "valid_until":
        end = pl.lit(dt.datetime(2024, 3, 1, tzinfo=dt.UTC)).dt.cast_time_unit("us")
        is_open = (pl.col("status") == "given") & pl.col("valid_until").is_null()
        is_some = pl.col("event_id").hash() % 3 == 0
        ended = pl.when(is_open & is_some).then(end).otherwise("valid_until")
        events = events.with_columns(valid_until=ended)
    else:
        policy = tmp_path / "aging.yaml"
        text = world.policy.read_text(encoding="utf-8")
        aging = text.replace("temporal: {", "temporal: {max_age_months: 7, ")
        assert aging != text
        policy.write_text(aging, encoding="utf-8")
    consent = tmp_path / "consent.parquet"
    events.write_parquet(consent)
    before = world.filter(tmp_path / "before", consent=[consent], policy=policy)
    later = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    after = world.filter(
        tmp_path / "after", consent=[consent], policy=policy, as_of=later
    )
    found = recheck(opened.open_release(before), [consent], as_of=later, **world.side)
    expected = no_longer_admitted(before, after)
    assert expected
    assert set(found.removals["record_id"].to_pylist()) == expected
    assert "CONSENT_EXPIRED" in found.by_reason


def test_a_statement_for_a_whole_account_is_asked_of_every_row(
    world: World, release: OpenedRelease, tmp_path: Path
) -> None:
    event = pq.read_table(world.later).slice(0, 1).to_pylist()[0]
    event |= {"event_id": "new-1", "subject_id": None, "subject_ns": None}
    event |= {"account_id": "acct-001", "actor_type": "account_owner"}
    path = tmp_path / "account.parquet"
    pq.write_table(pa.Table.from_pylist([event], pq.read_schema(world.later)), path)
    found = recheck(release, [world.files.consent, path], **world.side)
    assert found.why_all is not None
    assert "whole account" in found.why_all
    again = world.filter(
        tmp_path / "again", consent=[world.files.consent, path], as_of=found.as_of
    )
    expected = no_longer_admitted(world.before, again)
    assert expected
    assert set(found.removals["record_id"].to_pylist()) == expected


def test_an_act_that_came_in_late_is_asked_of_every_row(
    world: World, release: OpenedRelease, tmp_path: Path
) -> None:
    # Newer acts of somebody, and one of somebody else that was recorded long ago.
    later = pq.read_table(world.later)
    late = later.slice(0, 1).to_pylist()[0]
    when = dt.datetime(2024, 1, 31, tzinfo=dt.UTC)
    late |= {"occurred_at": when, "recorded_at": when}
    rest = later.slice(1).to_pylist()
    path = tmp_path / "late.parquet"
    pq.write_table(pa.Table.from_pylist([late, *rest], later.schema), path)
    found = recheck(release, [world.files.consent, path], **world.side)
    assert found.why_all == changed.OTHER_PAST
    assert found.people_changed is None
    assert found.rows_checked == found.rows_admitted
    again = world.filter(
        tmp_path / "again", consent=[world.files.consent, path], as_of=found.as_of
    )
    expected = no_longer_admitted(world.before, again)
    assert expected
    assert set(found.removals["record_id"].to_pylist()) == expected


def test_other_side_files_are_asked_of_every_row(
    world: World, release: OpenedRelease
) -> None:
    found = recheck(release, [world.files.consent], links=world.files.links)
    assert found.why_all == "the subjects file is another one than the release's"
    found = recheck(release, [world.files.consent], subjects=world.files.subjects)
    assert found.why_all == "the identity links are others than the release's"


def test_only_the_new_events_are_not_enough(
    world: World, release: OpenedRelease
) -> None:
    with pytest.raises(InputError, match="give all consent, old and new") as told:
        recheck(release, [world.later], **world.side)
    assert len(told.value.problems) > 1


def test_a_kept_policy_that_was_changed_is_refused(
    world: World, tmp_path: Path
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(world.before, copied)
    path = copied / "private/policy.json"
    policy = json.loads(path.read_bytes())
    policy["lifecycle"]["deleted"] = "keep"
    path.write_text(json.dumps(policy))
    with pytest.raises(EvidenceError, match=r"policy.json: has the digest"):
        recheck(opened.open_release(copied), [world.files.consent], **world.side)
    path.write_text("{")
    with pytest.raises(EvidenceError, match=r"policy.json: not JSON"):
        recheck(opened.open_release(copied), [world.files.consent], **world.side)
    shutil.rmtree(copied / "private")
    with pytest.raises(InputError, match="has no private/ directory"):
        recheck(opened.open_release(copied), [world.files.consent], **world.side)


def test_links_are_followed_however_far(world: World) -> None:
    from consentfilter.consent.load import load_consent

    loaded = load_consent([world.files.consent])
    pairs = [("a", "b"), ("b", "c"), ("d", "c"), ("x", "y")]
    links = pa.table({"key_a": [a for a, _ in pairs], "key_b": [b for _, b in pairs]})
    import dataclasses

    found = changed.linked(pl.Series(["a"]), dataclasses.replace(loaded, links=links))
    assert set(found) == {"a", "b", "c", "d"}
    assert set(changed.linked(pl.Series(["a"]), loaded)) == {"a"}
