"""A link to the list of the copies that a task works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapshot_dr_provider._compat import BASE_AWS_CONSOLE_LINK, BaseAwsLink, Context
from snapshot_dr_provider.domain.lineage import SOURCE_ACCOUNT, STAGE, Stage

if TYPE_CHECKING:
    from snapshot_dr_provider.domain.routes import Route


class SnapshotCopiesLink(BaseAwsLink):
    """Open the EC2 console's snapshot list, filtered by lineage tag. Sign in to the account that owns the copies."""

    name = "Snapshot copies"
    key = "snapshot_copies"
    format_str = (
        BASE_AWS_CONSOLE_LINK + "/ec2/home?region={region_name}#Snapshots:visibility=owned-by-me;"
        f"tag%3A{SOURCE_ACCOUNT}=" + "{source_account};" + f"tag%3A{STAGE.replace(':', '%3A')}=" + "{stage}"
    )

    @classmethod
    def persist_copies(cls, context: Context, operator: Any, route: Route, stage: Stage) -> None:
        """Store what the link of a task needs."""
        cls.persist(
            context,
            operator,
            region_name=route.destination_region,
            aws_partition=route.kms_b_arn.split(":")[1] if route.kms_b_arn else "aws",
            source_account=route.account_id,
            stage=stage.value,
        )
