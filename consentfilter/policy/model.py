"""The policy as a value: frozen, complete, every default filled in.

Structure only. Reading files is `policy.load`, judging a policy `policy.lint`.
A list that means "any of these" is never empty here: an empty list would be
read as "nothing is asked" by one reader and as "nothing passes" by the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self, get_args

import rfc8785
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from consentfilter.policy import checks, defaults, durations
from consentfilter.taxonomy import BASE, Taxonomy

Basis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_interest",
    "legitimate_interest",
]
Effect = Literal["require", "allow", "prohibit"]
Expression = Literal[
    "explicit", "expressed", "default_on", "notice", "terms", "implied"
]
ActorType = Literal[
    "self",
    "guardian",
    "account_owner",
    "account_admin",
    "authorized_agent",
    "controller",
    "authority",
    "publisher",
    "system",
    "unknown",
]
Scope = Literal["subject", "account", "context", "asset"]
Role = Literal["author", "speaker", "depicted", "participant", "owner", "mentioned"]
DropOrKeep = Literal["drop", "keep"]

#: Every role, and those whose bearers must permit unless the policy lists others.
ROLES: Final[tuple[Role, ...]] = get_args(Role)
DECIDING_ROLES: Final[tuple[Role, ...]] = ROLES[:-1]
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

Text = Annotated[str, AfterValidator(checks.not_blank)]
Texts = Annotated[
    tuple[Text, ...], Field(min_length=1), AfterValidator(checks.distinct)
]
Code = Annotated[str, AfterValidator(checks.jurisdiction_code)]
Source = Annotated[str, AfterValidator(checks.record_source)]
Node = Annotated[str, AfterValidator(checks.tree_node)]
Duration = Annotated[
    timedelta,
    BeforeValidator(durations.parse),
    PlainSerializer(durations.render, return_type=str),
    Field(json_schema_extra={"format": "duration", "examples": ["PT24H", "P1D"]}),
]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]


class _Frozen(BaseModel):
    """Strict, frozen, no unknown keys; lists become tuples on the way in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_to_tuples(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        return {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data.items()
        }


class Actor(_Frozen):
    """Somebody whose consent a rule accepts.

    Attributes:
        type: who acted.
        scopes: what the statement must be about; absent: anything.
        relations: the person's relation to the account must be one of these;
            absent: any relation, or none.
    """

    type: ActorType
    scopes: (
        Annotated[
            tuple[Scope, ...], Field(min_length=1), AfterValidator(checks.distinct)
        ]
        | None
    ) = None
    relations: Texts | None = None


class Rule(_Frozen):
    """What is asked for some categories.

    Attributes:
        id: name in reports; `default`, `rules[0]`, `EU[0]` where none was given.
        categories: nodes of the category tree, or `*`.
        effect: ask for a basis, ask for nothing, or never.
        basis: consent, or the other legal basis that the policy relies on.
        expression: ways of expressing consent that count.
        actors: who may consent.
        requires_notice: a `noticed` act must precede the collection.
        terms: accepted versions of the terms; absent: any.
        inherit_purpose: a consent to a purpose above the run's counts too.
        ignore_denials: with `allow` only: not even an objection counts.
    """

    id: Text
    categories: Annotated[
        tuple[Node, ...], Field(min_length=1), AfterValidator(checks.distinct)
    ]
    effect: Effect = "require"
    basis: Basis = "consent"
    expression: Annotated[
        tuple[Expression, ...], Field(min_length=1), AfterValidator(checks.distinct)
    ] = ("explicit", "expressed")
    actors: tuple[Actor, ...] = (Actor(type="self"),)
    requires_notice: bool = False
    terms: Texts | None = None
    inherit_purpose: bool = True
    ignore_denials: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        checks.rule_fits_together(self)
        return self


Rules = Annotated[tuple[Rule, ...], AfterValidator(checks.one_rule_per_category)]


class Temporal(_Frozen):
    """When consent must have been in force.

    Attributes:
        mode: at collection and now, now only, at collection only, or all the time
            in between.
        retroactive: a consent given after the collection counts if it names the
            older data (`explicit`), never, or always.
        max_age_months: consent lapses after so many calendar months; absent: never.
    """

    mode: Literal["both", "processing", "collection", "continuous"] = "both"
    retroactive: Literal["explicit", "deny", "allow"] = "explicit"
    max_age_months: Annotated[int, Field(ge=1, le=1200)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        checks.temporal_fits_together(self)
        return self


class MultiSubject(_Frozen):
    """What happens when a record is about several people.

    Attributes:
        mode: everybody must permit; or segment by segment; or a share of them.
        min_retained: share of the segments that must be left, 0..1.
        quorum: share of the people that must permit, above 0, at most 1.
        roles: roles whose bearers are asked.
        mentions: what happens to the names of people who are only mentioned.
    """

    mode: Literal["all", "per_segment", "quorum"] = "all"
    min_retained: Share = 0.0
    quorum: PositiveShare = 1.0
    roles: Annotated[
        tuple[Role, ...], Field(min_length=1), AfterValidator(checks.distinct)
    ] = DECIDING_ROLES
    mentions: Literal["ignore", "pseudonymise"] = "ignore"


class Minors(_Frozen):
    """From which age people consent for themselves.

    Attributes:
        ages: `default` and jurisdiction codes to full years.
        unknown_age: how people of unknown birth date are treated.
        on_majority: whether a guardian's consent lasts beyond that birthday.
    """

    ages: Annotated[
        dict[
            Annotated[str, AfterValidator(checks.age_key)],
            Annotated[int, Field(ge=1, le=21)],
        ],
        BeforeValidator(defaults.filled_ages),
    ] = Field(default_factory=dict, validate_default=True)
    unknown_age: Literal["adult", "minor"] = "adult"
    on_majority: Literal["keep", "lapse"] = "keep"


class Lifecycle(_Frozen):
    """What the state of a person's account means, before any consent.

    Attributes:
        deleted: `keep` judges the records as if nothing had happened.
        deactivated: likewise.
        deceased: likewise.
    """

    deleted: DropOrKeep = "drop"
    deactivated: DropOrKeep = "drop"
    deceased: DropOrKeep = "drop"


class Signals(_Frozen):
    """What opt-out signals mean.

    Attributes:
        later_explicit_lifts: a later explicit consent of the person, in any source,
            lifts an opt-out (11 CCR 7025(c)(3)).
    """

    later_explicit_lifts: bool = False


class Aggregate(_Frozen):
    """Whether rows about groups of people are kept without anybody's consent.

    Attributes:
        allow: keep rows whose `group_size` is large enough.
        min_group_size: how many people a row must be about.
    """

    allow: bool = False
    min_group_size: Annotated[int, Field(ge=1)] = 50


class SnapshotRule(_Frozen):
    """How fresh and how complete the consent data of a run must be.

    Attributes:
        max_staleness: refuse the run when a source's data is older than this.
        required_sources: refuse the run when one of these is missing.
    """

    max_staleness: Duration | None = None
    required_sources: Annotated[tuple[Text, ...], AfterValidator(checks.distinct)] = ()


class TaxonomyExtension(_Frozen):
    """Nodes that this policy adds to the purpose and the category tree.

    Attributes:
        purposes: dotted names; parents are added too.
        categories: dotted names; parents are added too.
    """

    purposes: tuple[Annotated[str, AfterValidator(checks.new_node)], ...] = ()
    categories: tuple[Annotated[str, AfterValidator(checks.new_node)], ...] = ()


class Policy(_Frozen):
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
        return hashlib.sha256(rfc8785.dumps(self.effective())).hexdigest()

    def effective_taxonomy(self, base: Taxonomy = BASE) -> Taxonomy:
        """Return `base` with the nodes that this policy and its members add."""
        extended = base.extended(self.taxonomy.purposes, self.taxonomy.categories)
        for member in self.all_of:
            extended = member.effective_taxonomy(extended)
        return extended
