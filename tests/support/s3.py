"""S3 servers and clients of any service that do not try again, shared by tests."""

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
