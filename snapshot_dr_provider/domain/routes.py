"""A route: one Org-A account in one source Region, with where its copies go and under which keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal

Scope = Literal["every", "newest_per_volume"]
Retention = Literal["none", "newest_per_volume"]
WindowMode = Literal["unmanaged", "per_run"]


@dataclass(frozen=True, slots=True)
class Route:
    """
    Everything that the stages of one account need to know; the value that the DAG is mapped over.

    :param kms_b_arn: key of the DR account, in the destination Region, whose policy trusts the organization.
    :param kms_c_arn: key of the DR account, in the destination Region, which only that account can use.
    :param former_kms_c_arns: keys under which earlier KMS-C copies still count.
    :param source_conn_id: Airflow connection for the Org-A account.
    :param source_role_arn: role to assume with that connection; ``None`` when the connection says it all.
    :param dr_conn_id: Airflow connection for the DR account.
    :param dr_role_arn: role to assume with that one, likewise.
    :param source_copy_slots: copies in flight at once in the Org-A account and the destination Region (aws 3.1);
        ``None`` where it has as many as the run says.
    :param grace_until: until when the account may lack the role to enter it, aware; ``None`` where it may not.
    """

    account_id: str
    account_name: str
    source_region: str
    destination_region: str
    kms_b_arn: str
    kms_c_arn: str
    dr_account_id: str
    source_conn_id: str
    dr_conn_id: str
    source_role_arn: str | None = None
    dr_role_arn: str | None = None
    former_kms_c_arns: tuple[str, ...] = ()
    source_copy_slots: int | None = None
    grace_until: datetime | None = None

    @property
    def label(self) -> str:
        """Name the route as people read it in the grid; two routes never have the same name."""
        way = "" if self.source_region == self.destination_region else f" to {self.destination_region}"
        return f"{self.account_name} ({self.account_id}) {self.source_region}{way}"

    def may_lack_its_role(self, now: datetime) -> bool:
        """Whether the account is so new that the settings let it lack the role to enter it."""
        return self.grace_until is not None and now < self.grace_until

    def to_json(self) -> dict[str, object]:
        """Write the route as JSON primitives."""
        grace = self.grace_until.isoformat() if self.grace_until else None
        return {**asdict(self), "former_kms_c_arns": list(self.former_kms_c_arns), "grace_until": grace}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Route:
        """
        Read a route written by :meth:`to_json`.

        :raises KeyError: when a part is missing.
        """
        known = {field.name: value[field.name] for field in fields(cls) if field.name in value}
        former = known.pop("former_kms_c_arns", ())
        if not isinstance(former, list | tuple):
            msg = f"former_kms_c_arns of a route is a list of ARNs, not {former!r}"
            raise TypeError(msg)
        known["grace_until"] = datetime.fromisoformat(str(known["grace_until"])) if known.get("grace_until") else None
        return cls(**known, former_kms_c_arns=tuple(str(arn) for arn in former))  # type: ignore[arg-type]  # JSON values
