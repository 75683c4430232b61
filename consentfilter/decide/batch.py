"""A batch in numbers: the strings of bound records replaced by codes of the index."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consentfilter.decide import ragged
from consentfilter.decide.index import ConsentIndex, MemberIndex
from consentfilter.decide.verdict import NOBODY, Asks
from consentfilter.policy.jurisdiction import normalise
from consentfilter.records import ROLES, Bound, FieldOverrides

#: Category code of a name that is not in the taxonomy: what a `KeyTable` finds then.
UNKNOWN: Final = -1


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Bound records in codes; arrays are per record unless they say otherwise.

    Attributes:
        category, segment_category, derived_category, override_category: int32 codes
            into `ConsentIndex.categories`, `UNKNOWN` where not in the taxonomy; the
            latter three per segment, derived entry and override.
        person: int32 per entry of people: person number, STRANGER or NOBODY.
        mention_person: the same per mention.
        relation: per entry of people, a text code into `relations`.
        jurisdiction: int32 code into `places`, -1: the record states none.
        scope: int32 per scope column.
        column_category: int32 per payload column, -1: the record's.
        is_category_unknown: some category of the record is not in the taxonomy.
        has_segments: the record has at least one segment.
    """

    bound: Bound
    index: ConsentIndex
    category: np.ndarray
    segment_category: np.ndarray
    derived_category: np.ndarray
    override_category: np.ndarray
    column_category: np.ndarray
    person: np.ndarray
    mention_person: np.ndarray
    relation: np.ndarray
    relations: tuple[str | None, ...]
    jurisdiction: np.ndarray
    places: tuple[str | None, ...]
    scope: tuple[np.ndarray, ...]
    is_category_unknown: np.ndarray
    has_segments: np.ndarray

    @classmethod
    def of(cls, bound: Bound, index: ConsentIndex) -> Batch:
        """Look every string up, once."""
        size = bound.num_rows
        data = index.statements
        codes_of = index.category_codes.find
        category = codes_of(bound.category)
        segment_category = codes_of(bound.segments.category)
        derived_category = codes_of(bound.derived_category)
        override_category = codes_of(bound.overrides.category)
        names = pa.array([column.category for column in bound.columns], pa.string())
        column_category = codes_of(names)
        is_unknown = category == UNKNOWN
        stated = names.is_valid().to_numpy(zero_copy_only=False)
        if (column_category[stated] == UNKNOWN).any():
            is_unknown[:] = True
        is_unknown |= _contradicted(bound.overrides, override_category, size)
        for rows, codes in (
            (bound.segments.row, segment_category),
            (bound.derived_row, derived_category),
            (bound.overrides.row, override_category),
        ):
            is_unknown |= ragged.any_by(rows, codes == UNKNOWN, size)
        has_segments = np.zeros(size, bool)
        has_segments[bound.segments.row] = True
        jurisdiction, places = _coded(bound.jurisdiction)
        relation, relations = _coded(bound.people.relation)
        texts = (bound.account_id, bound.context_id, bound.asset_id)
        return cls(
            bound=bound,
            index=index,
            category=category,
            segment_category=segment_category,
            derived_category=derived_category,
            override_category=override_category,
            column_category=column_category,
            person=_people(bound.people.key, index),
            mention_person=_people(bound.mentions.key, index),
            relation=relation,
            relations=relations,
            jurisdiction=jurisdiction,
            places=tuple(normalise(place) for place in places),
            scope=tuple(
                table.find(text) if len(table) else ragged.same(-1, size, np.int32)
                for table, text in zip(data.scope_keys, texts, strict=True)
            ),
            is_category_unknown=is_unknown,
            has_segments=has_segments,
        )

    def deciding(self, roles: tuple[str, ...]) -> np.ndarray:
        """Return the entries of people whose role decides (int64, ascending)."""
        wanted = np.array([role in roles for role in ROLES], bool)
        return np.flatnonzero(wanted.take(self.bound.people.role))

    def asks(
        self,
        member: MemberIndex,
        row: np.ndarray,
        person: np.ndarray,
        relation: np.ndarray,
        category: np.ndarray,
    ) -> tuple[np.ndarray, Asks]:
        """Make the asks of (record, person, relation, category), each per purpose.

        Args:
            member: the policy that asks.
            row: record per entry.
            person: person number per entry.
            relation: relation code per entry, -1: none.
            category: category code per entry, known.

        Returns:
            (entry, asks): for every ask the entry it belongs to, ascending.
        """
        numbers = self._questions(member, row, person, relation, category)
        purposes = numbers.shape[1]
        entry = np.arange(len(row))
        if purposes > 1:
            entry = np.repeat(entry, purposes)
            row, person = row[entry], person[entry]
        asks = Asks(
            question=numbers.reshape(-1),
            person=person,
            scope=tuple(ragged.taken(codes, row) for codes in self.scope),
            collected=self.bound.collected_at.take(row),
        )
        return entry, asks

    def _questions(
        self,
        member: MemberIndex,
        row: np.ndarray,
        person: np.ndarray,
        relation: np.ndarray,
        category: np.ndarray,
    ) -> np.ndarray:
        """Return question numbers (int32, entries × purposes)."""
        data = self.index.statements
        own_places = tuple(normalise(place) for place in data.jurisdictions)
        default = member.policy.jurisdiction_default
        places = (*own_places, *self.places, default)
        place = ragged.taken(self.jurisdiction, row).astype(np.int64)
        place = np.where(place >= 0, place + len(own_places), len(places) - 1)
        if own_places:
            own = np.where(person >= 0, data.jurisdiction[np.maximum(person, 0)], -1)
            place = np.where(own >= 0, own, place)
        named = (*member.relations, None)
        position = {name: at for at, name in enumerate(named)}
        translate = np.array(
            [position.get(name, len(named) - 1) for name in (*self.relations, None)],
            np.int64,
        )
        cell = (place * len(self.index.categories) + category) * len(named)
        cell += translate.take(relation)
        distinct, at = _distinct(
            cell, len(places) * len(self.index.categories) * len(named)
        )
        cells = [
            (
                places[code // len(named) // len(self.index.categories)],
                self.index.categories[code // len(named) % len(self.index.categories)],
                named[code % len(named)],
            )
            for code in distinct.tolist()
        ]
        return member.question_numbers(cells)[at]


def _contradicted(
    overrides: FieldOverrides, category: np.ndarray, size: int
) -> np.ndarray:
    """Tell which records give one column two categories: neither is known then."""
    order = np.lexsort((category, overrides.column, overrides.row))
    row, column = overrides.row[order], overrides.column[order]
    same = (row[1:] == row[:-1]) & (column[1:] == column[:-1]) & (column[1:] >= 0)
    differ = category[order][1:] != category[order][:-1]
    return ragged.any_by(row[1:], same & differ, size)


def _distinct(codes: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct codes (0 <= code < top) and the position of each."""
    if top > 1 << 22:
        return np.unique(codes, return_inverse=True)
    present = np.zeros(top, bool)
    present[codes] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]


def _coded(texts: pa.Array) -> tuple[np.ndarray, tuple[str | None, ...]]:
    """Return int32 codes (-1: null) and their texts."""
    if texts.null_count == len(texts):
        return ragged.same(-1, len(texts), np.int32), ()
    encoded = pc.dictionary_encode(texts)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes.astype(np.int32, copy=False), tuple(encoded.dictionary.to_pylist())


def _people(keys: pa.Array, index: ConsentIndex) -> np.ndarray:
    found = index.statements.people.find(keys)
    if keys.null_count:
        found[keys.is_null().to_numpy(zero_copy_only=False)] = NOBODY
    return found
