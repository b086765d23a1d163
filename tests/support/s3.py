"""S3 clients and servers, shared by the tests of S3."""

import boto3
from botocore.config import Config


def new_client(
    endpoint_url,
    *,
    region="us-east-1",
    service="s3",
    config=None,
    key="openbraket",
    secret="openbraket",
):
    settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=settings.merge(config) if config else settings,
    )
