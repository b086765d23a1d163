"""GetObjectAttributes: what is known about an object, without its content."""

from typing import Any

from openbraket.services.context import Context
from openbraket.services.s3 import headers
from openbraket.services.s3.listing import count_max, part_number_marker
from openbraket.services.s3.objects import find_object


async def get_object_attributes(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that the request names: `GET /{Bucket}/{Key+}?attributes`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchKey.
    """
    found = find_object(context, params)
    wanted = set(params["ObjectAttributes"])
    output: dict[str, Any] = {"LastModified": found.last_modified}
    if "ETag" in wanted:
        output["ETag"] = found.etag
    if "StorageClass" in wanted:
        output["StorageClass"] = "STANDARD"
    if "ObjectSize" in wanted:
        output["ObjectSize"] = found.size
    if "Checksum" in wanted and (checksums := headers.checksums(found.headers)):
        output["Checksum"] = checksums
    if "ObjectParts" in wanted and headers.PART_SIZES in found.headers:
        output["ObjectParts"] = _parts(params, found.headers[headers.PART_SIZES])
    return output


def _parts(params: dict[str, Any], sizes: list[int]) -> dict[str, Any]:
    marker = part_number_marker(params)
    limit = count_max(params, "MaxParts", "max-parts")
    last = min(marker + limit, len(sizes))
    return {
        "TotalPartsCount": len(sizes),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": last,
        "MaxParts": limit,
        "IsTruncated": last < len(sizes),
        "Parts": [
            {"PartNumber": number, "Size": sizes[number - 1]}
            for number in range(marker + 1, last + 1)
        ],
    }
