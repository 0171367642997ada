"""Search, sign, upload and verify data on a Martlet node."""

from martlet.credentials import ApiKey, Bearer, Credentials, TokenFile
from martlet.errors import LoginError, MartletError, NodeError
from martlet.files import MartletFileSystem
from martlet.jobs import JobGrant, JobToken
from martlet.login import Login
from martlet.node import Node, connect
from martlet.signing import Signer
from martlet.traces import Trace, Verdict

__all__ = [
    "ApiKey",
    "Bearer",
    "Credentials",
    "JobGrant",
    "JobToken",
    "Login",
    "LoginError",
    "MartletError",
    "MartletFileSystem",
    "Node",
    "NodeError",
    "Signer",
    "TokenFile",
    "Trace",
    "Verdict",
    "connect",
]
