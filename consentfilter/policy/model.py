"""The policy as a value: frozen, complete, every default filled in.

Structure only. Reading files is `policy.load`, judging a policy `policy.lint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from consentfilter import digest
from consentfilter.policy import checks, defaults
from consentfilter.policy.parts import DECIDING_ROLES as DECIDING_ROLES
from consentfilter.policy.parts import ROLES as ROLES
from consentfilter.policy.parts import Actor as Actor
from consentfilter.policy.parts import (
    Aggregate,
    Code,
    Frozen,
    Lifecycle,
    Minors,
    MultiSubject,
    Node,
    Rules,
    Signals,
    SnapshotRule,
    Source,
    TaxonomyExtension,
    Temporal,
    Text,
)
from consentfilter.policy.parts import Rule as Rule
from consentfilter.taxonomy import BASE, Taxonomy

DEFAULT_PURPOSES: Final = ("improve.train_ai",)
#: What a policy with `all_of` may say itself; everything else is its members'.
KEYS_BESIDE_ALL_OF: Final = (
    "id",
    "version",
    "purposes",
    "recipient",
    "snapshot",
    "on_duplicate",
    "taxonomy",
    "all_of",
)


class Policy(Frozen):
    """Everything a run asks of a record, with all defaults filled in.

    A policy with `all_of` asks nothing itself: its members do, and the strictest
    answer counts. Then `purposes` are those of all members, `recipient` is the one
    they name, and `snapshot` the strictest of all.

    Attributes:
        id: name of the policy.
        version: version of the policy, a text.
        all_of: policies that bind together; members without version, purposes or
            recipient take those of this one.
        purposes: what the records are for; every one must be permitted.
        recipient: who gets the set; absent: the controller, and consents are not
            asked for a recipient.
        rules: what is asked for which categories; the nearest category counts.
        jurisdictions: code (`DE`, `US-CA`, `EU`) to the rules that go first there.
        jurisdiction_default: the place of people and records of unknown place.
        temporal: when consent must have been in force.
        multi_subject: what happens when a record is about several people.
        minors: from which age people consent for themselves; absent: not asked.
        lifecycle: what closed accounts and deaths mean.
        conflict: whether a standing denial in any source excludes, or the latest
            act of all sources counts.
        signals: what opt-out signals mean.
        aggregate: whether rows about groups of people are kept.
        sources: `first_party`, `third_party:NAME`; absent: any.
        on_fail: whether a record without segments goes whole, or only the columns
            that are not permitted.
        max_skew_s: seconds that a record may seem to be collected after the
            instant of the run.
        snapshot: how fresh and complete the consent data must be.
        on_duplicate: whether records with the same id stop the run or are dropped.
        taxonomy: further purposes and categories.
    """

    id: Text
    version: Text
    all_of: Annotated[tuple[Policy, ...], AfterValidator(checks.distinct_members)] = ()
    purposes: Annotated[
        tuple[Node, ...], Field(min_length=1), AfterValidator(checks.distinct)
    ] = Field(default=DEFAULT_PURPOSES, validate_default=True)
    recipient: Text | None = Field(default=None, validate_default=True)
    rules: Rules = Field(default=(), validate_default=True)
    jurisdictions: Annotated[
        dict[
            Code,
            Annotated[
                tuple[Rule, ...],
                Field(min_length=1),
                AfterValidator(checks.one_rule_per_category),
            ],
        ],
        BeforeValidator(defaults.filled_lists),
        AfterValidator(checks.no_ignored_denials_in_eu),
    ] = Field(default_factory=dict)
    jurisdiction_default: Code | None = None
    temporal: Temporal = Temporal()
    multi_subject: MultiSubject = MultiSubject()
    minors: Minors | None = None
    lifecycle: Lifecycle = Lifecycle()
    conflict: Literal["deny_overrides", "latest"] = "deny_overrides"
    signals: Signals = Signals()
    aggregate: Aggregate = Aggregate()
    sources: (
        Annotated[
            tuple[Source, ...], Field(min_length=1), AfterValidator(checks.distinct)
        ]
        | None
    ) = None
    on_fail: Literal["drop", "redact_fields"] = "drop"
    max_skew_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    snapshot: SnapshotRule = Field(default=SnapshotRule(), validate_default=True)
    on_duplicate: Literal["error", "drop"] = "error"
    taxonomy: TaxonomyExtension = TaxonomyExtension()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        return defaults.filled(data) if isinstance(data, Mapping) else data

    @field_validator("purposes")
    @classmethod
    def _purposes_of_members(
        cls, stated: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        members: tuple[Policy, ...] = info.data.get("all_of", ())
        asked = (purpose for member in members for purpose in member.purposes)
        return tuple(dict.fromkeys(asked)) or stated

    @field_validator("recipient")
    @classmethod
    def _recipient_of_members(
        cls, stated: str | None, info: ValidationInfo
    ) -> str | None:
        members: tuple[Policy, ...] = info.data.get("all_of", ())
        return checks.one_recipient([stated, *(m.recipient for m in members)])

    @field_validator("rules")
    @classmethod
    def _rules_or_members(
        cls, rules: tuple[Rule, ...], info: ValidationInfo
    ) -> tuple[Rule, ...]:
        # Members that were refused are not in the data; that is reported already.
        has_members = "all_of" not in info.data or bool(info.data["all_of"])
        return checks.rules_or_members(rules, has_members=has_members)

    @field_validator("snapshot")
    @classmethod
    def _strictest_snapshot(
        cls, stated: SnapshotRule, info: ValidationInfo
    ) -> SnapshotRule:
        members: tuple[Policy, ...] = info.data.get("all_of", ())
        every = (stated, *(member.snapshot for member in members))
        limits = [one.max_staleness for one in every if one.max_staleness is not None]
        sources = (source for one in every for source in one.required_sources)
        return SnapshotRule(
            max_staleness=min(limits, default=None),
            required_sources=tuple(dict.fromkeys(sources)),
        )

    @model_validator(mode="after")
    def _nothing_beside_all_of(self) -> Self:
        checks.nothing_beside_all_of(self, KEYS_BESIDE_ALL_OF)
        return self

    @classmethod
    def from_dict(
        cls, mapping: Mapping[str, Any], *, taxonomy: Taxonomy = BASE
    ) -> Policy:
        """Make a policy of plain values, as YAML or JSON would give them.

        Args:
            mapping: the policy document.
            taxonomy: the trees that the policy's own nodes are added to.

        Raises:
            PolicyError: the document is not a policy; all problems are listed.
            RunRefused: `RUN_PURPOSE_UNKNOWN`, when only purposes are unknown.
        """
        from consentfilter.policy import load  # it needs this module

        return load.policy_from_mapping(mapping, taxonomy=taxonomy)

    @property
    def members(self) -> tuple[Policy, ...]:
        """The policies that decide: this one, or all below `all_of`."""
        if not self.all_of:
            return (self,)
        return tuple(leaf for member in self.all_of for leaf in member.members)

    def without_run_rules(self) -> Policy:
        """Return this policy without what it asks of the run's consent data.

        For looking at decisions on a few made-up statements, or on old data: freshness
        and required sources decide about a run, not about a record.
        """
        members = tuple(member.without_run_rules() for member in self.all_of)
        return self.model_copy(update={"snapshot": SnapshotRule(), "all_of": members})

    def effective(self) -> dict[str, Any]:
        """Return the policy as JSON values with every default written out.

        `Policy.from_dict(policy.effective()) == policy`.
        """
        document: dict[str, Any] = self.model_dump(mode="json", exclude={"all_of"})
        if not self.all_of:
            return document
        document = {k: v for k, v in document.items() if k in KEYS_BESIDE_ALL_OF}
        document["all_of"] = [member.effective() for member in self.all_of]
        return document

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON (RFC 8785) of `effective()`."""
        return digest.sha256(digest.canonical_json(self.effective()))

    def effective_taxonomy(self, base: Taxonomy = BASE) -> Taxonomy:
        """Return `base` with the nodes that this policy and its members add."""
        extended = base.extended(self.taxonomy.purposes, self.taxonomy.categories)
        for member in self.all_of:
            extended = member.effective_taxonomy(extended)
        return extended
