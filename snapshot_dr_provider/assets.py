"""
The verified KMS-C copies as Airflow assets, for other DAGs to be scheduled on.

There is an asset for each account and destination Region, of which nobody has to make a list: tasks have the alias
:data:`KMS_C_COPIES` as their outlet, and it resolves to the asset of whichever route has new copies. An asset as the
outlet itself would get an event of every green task, new copies or not.
"""

from __future__ import annotations

from typing import Final

from airflow.sdk import Asset, AssetAlias

from snapshot_dr_provider.domain.routes import Route

KMS_C_COPIES: Final = AssetAlias("snapshot-dr/kms-c")
"""New copies of any account."""


def kms_c_copies(*, dr_account_id: str, region: str, account_id: str) -> Asset:
    """
    Name the copies of one account: an asset whose name is its URI, ``x-snapshot-dr://kms-c/DR/REGION/ACCOUNT``.

    Airflow leaves a URI as it is when its scheme begins with ``x-``, and takes any other for that of a provider.

    :param dr_account_id: 12-digit id of the DR account, which owns the copies.
    :param region: where the copies are.
    :param account_id: 12-digit id of the account whose snapshots were copied.
    """
    return Asset(f"x-snapshot-dr://kms-c/{dr_account_id}/{region}/{account_id}")


def asset_of(route: Route) -> Asset:
    """Name the copies of a route; two source Regions of an account with one destination share them."""
    return kms_c_copies(dr_account_id=route.dr_account_id, region=route.destination_region, account_id=route.account_id)
