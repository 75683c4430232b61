"""The parts of a policy: rules, time, people, records; each with its defaults.

A list that means "any of these" is never empty here: an empty list would be
read as "nothing is asked" by one reader and as "nothing passes" by the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from consentfilter.policy import checks, defaults, durations

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


class Frozen(BaseModel):
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


class Actor(Frozen):
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


class Rule(Frozen):
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


class Temporal(Frozen):
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


class MultiSubject(Frozen):
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


class Minors(Frozen):
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


class Lifecycle(Frozen):
    """What the state of a person's account means, before any consent.

    Attributes:
        deleted: `keep` judges the records as if nothing had happened.
        deactivated: likewise.
        deceased: likewise.
    """

    deleted: DropOrKeep = "drop"
    deactivated: DropOrKeep = "drop"
    deceased: DropOrKeep = "drop"


class Signals(Frozen):
    """What opt-out signals mean.

    Attributes:
        later_explicit_lifts: a later explicit consent of the person, in any source,
            lifts an opt-out (11 CCR 7025(c)(3)).
    """

    later_explicit_lifts: bool = False


class Aggregate(Frozen):
    """Whether rows about groups of people are kept without anybody's consent.

    Attributes:
        allow: keep rows whose `group_size` is large enough.
        min_group_size: how many people a row must be about.
    """

    allow: bool = False
    min_group_size: Annotated[int, Field(ge=1)] = 50


class SnapshotRule(Frozen):
    """How fresh and how complete the consent data of a run must be.

    Attributes:
        max_staleness: refuse the run when a source's data is older than this.
        required_sources: refuse the run when one of these is missing.
    """

    max_staleness: Duration | None = None
    required_sources: Annotated[tuple[Text, ...], AfterValidator(checks.distinct)] = ()


class TaxonomyExtension(Frozen):
    """Nodes that this policy adds to the purpose and the category tree.

    Attributes:
        purposes: dotted names; parents are added too.
        categories: dotted names; parents are added too.
    """

    purposes: tuple[Annotated[str, AfterValidator(checks.new_node)], ...] = ()
    categories: tuple[Annotated[str, AfterValidator(checks.new_node)], ...] = ()
