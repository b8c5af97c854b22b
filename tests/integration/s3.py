"""What tests know of the bucket on moto's server."""

from __future__ import annotations

from typing import Any

BUCKET = "warehouse"


def keys(s3: Any, folder: str) -> list[str]:
    """List the keys under a folder of the bucket, without the folder."""
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
    return sorted(one["Key"].removeprefix(f"{folder}/") for one in found)
