"""
The verified KMS-C copies as OpenLineage sees them: from which account they come, and where they are.

Only what the OpenLineage provider calls imports this module: the provider is no requirement of ours (extra
``openlineage``), and without it nobody asks an operator for its lineage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    OutputDataset,
    OutputStatisticsOutputDatasetFacet,
    RunFacet,
)
from airflow.providers.openlineage.extractors import OperatorLineage

from snapshot_dr_provider.assets import asset_of
from snapshot_dr_provider.domain.routes import Route


def lineage_of(route: Route, told: Mapping[str, Any]) -> OperatorLineage[Dataset, RunFacet]:
    """
    Name the snapshots of an account and Region as the input, and their KMS-C copies as the output.

    One dataset each, not one a snapshot: a run's event says that all of its outputs come from all of its inputs, which
    of single snapshots is not true, and a catalogue would grow by each copy for ever. Which copy is of which snapshot
    say its tags. Namespace and name of the input divide the ARN as OpenLineage's naming does for AWS Glue; the output
    is the asset of the same copies.

    :param told: what :func:`~snapshot_dr_provider.domain.new_copies.tell_new_copies` tells of this run.
    """
    source = Dataset(namespace=f"arn:aws:ec2:{route.source_region}:{route.account_id}", name="snapshot")
    scheme, place = asset_of(route).uri.split("://", 1)
    kind, name = place.split("/", 1)
    statistics = OutputStatisticsOutputDatasetFacet(fileCount=told["new_copies"])
    copies = OutputDataset(namespace=f"{scheme}://{kind}", name=name, outputFacets={"outputStatistics": statistics})
    return OperatorLineage(inputs=[source], outputs=[copies])
