"""Know the Regions of the sandbox, and answer DescribeRegions and DescribeAvailabilityZones."""

from typing import Any

import botocore.session

from snapshot_dr_provider.sandbox.ec2.calls import Call

#: Every Region of the standard partition that the SDK knows.
REGIONS = frozenset(botocore.session.Session().get_available_regions("ec2"))


def describe_regions(call: Call) -> dict[str, Any]:
    """Return the Regions, all of them enabled."""
    call.authorize("*")
    call.stop_at_dry_run()
    asked = set(call.parameters.get("RegionNames") or ())
    return {
        "Regions": [
            {
                "RegionName": region,
                "Endpoint": f"ec2.{region}.amazonaws.com",
                "OptInStatus": "opt-in-not-required",
            }
            for region in sorted(REGIONS)
            if not asked or region in asked
        ]
    }


def describe_availability_zones(call: Call) -> dict[str, Any]:
    """Return three zones for the Region."""
    call.authorize("*")
    call.stop_at_dry_run()
    zones = [f"{call.region}{letter}" for letter in "abc"]
    return {
        "AvailabilityZones": [{"ZoneName": zone, "RegionName": call.region, "State": "available"} for zone in zones]
    }
