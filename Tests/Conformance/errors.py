"""Asserting that S3 refuses something with exactly one code."""

import contextlib

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refused(code, status):
    """The block must fail with this code and HTTP status. HEAD has no body, so its code is the status itself."""
    with pytest.raises(ClientError) as failure:
        yield failure
    answer = failure.value.response
    found = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
    assert found == (code, status), f"expected {(code, status)}, got {found}: {answer['Error'].get('Message')}"
