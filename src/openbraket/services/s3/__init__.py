"""S3 as far as Braket clients and their tools use it: buckets, objects, uploads in parts.

Contents go to `blobs`, records to `store`; no HTTP parsing here. Left out, and answered with
NotImplemented: versions, encryption with the caller's keys, object locks, object tags.
"""

from collections.abc import Mapping
from typing import Final

from openbraket.services.context import Handler
from openbraket.services.s3 import (
    attributes,
    buckets,
    copying,
    listing,
    multipart,
    objects,
    uploads_listing,
)

OPERATIONS: Final[Mapping[str, Handler]] = {
    "AbortMultipartUpload": multipart.abort_multipart_upload,
    "CompleteMultipartUpload": multipart.complete_multipart_upload,
    "CopyObject": copying.copy_object,
    "CreateBucket": buckets.create_bucket,
    "CreateMultipartUpload": multipart.create_multipart_upload,
    "DeleteBucket": buckets.delete_bucket,
    "DeleteBucketPolicy": buckets.delete_bucket_policy,
    "DeleteBucketTagging": buckets.delete_bucket_tagging,
    "DeleteObject": objects.delete_object,
    "DeleteObjects": objects.delete_objects,
    "DeletePublicAccessBlock": buckets.delete_public_access_block,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketPolicy": buckets.get_bucket_policy,
    "GetBucketTagging": buckets.get_bucket_tagging,
    "GetBucketVersioning": buckets.get_bucket_versioning,
    "GetObject": objects.get_object,
    "GetObjectAttributes": attributes.get_object_attributes,
    "GetPublicAccessBlock": buckets.get_public_access_block,
    "HeadBucket": buckets.head_bucket,
    "HeadObject": objects.head_object,
    "ListBuckets": buckets.list_buckets,
    "ListMultipartUploads": uploads_listing.list_multipart_uploads,
    "ListObjects": listing.list_objects,
    "ListObjectsV2": listing.list_objects_v2,
    "ListParts": uploads_listing.list_parts,
    "PutBucketPolicy": buckets.put_bucket_policy,
    "PutBucketTagging": buckets.put_bucket_tagging,
    "PutObject": objects.put_object,
    "PutPublicAccessBlock": buckets.put_public_access_block,
    "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy,
}
