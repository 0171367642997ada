"""Who asks: API keys, tokens, and where a job finds its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import requests

from martlet.errors import LoginError


class Credentials(Protocol):
    """Whatever can say, at each request, who asks."""

    def headers(self) -> Mapping[str, str]:
        """The headers of one request. They hold secrets."""
        ...


class Anonymous:
    """Nobody in particular: sees what is open to everybody."""

    def headers(self) -> Mapping[str, str]:
        """No headers."""
        return {}


class ApiKey:
    """An access key of the node, which is an API key of the SDKs of STAC catalogues and one of S3."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.access_key = access_key
        self._secret_key = secret_key

    def headers(self) -> Mapping[str, str]:
        """The key in its two headers."""
        return {"access-key": self.access_key, "secret-key": self._secret_key}

    def __repr__(self) -> str:
        return f"ApiKey({self.access_key!r})"


class Bearer:
    """A token that somebody else has got."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """The token (RFC 6750)."""
        return {"Authorization": f"Bearer {self._token}"}

    def __repr__(self) -> str:
        return "Bearer()"


class TokenFile:
    """A token in a file that something else renews, as `martlet job-token run` does: read anew for each request."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def headers(self) -> Mapping[str, str]:
        """The token that is in the file now.

        Raises:
            LoginError: if the file is gone, empty, or somebody else's.

        """
        try:
            # Anybody may put a file into /tmp under this name.
            if self.path.stat().st_uid != os.getuid():
                raise LoginError(f"the token in {self.path} is somebody else's")
            token = self.path.read_text().strip()
        except OSError as error:
            raise LoginError(f"the token in {self.path} cannot be read: {error.strerror}") from error
        if not token or any(c.isspace() for c in token):
            raise LoginError(f"{self.path} holds no token")
        return {"Authorization": f"Bearer {token}"}

    def __repr__(self) -> str:
        return f"TokenFile({str(self.path)!r})"


class Auth(requests.auth.AuthBase):
    """Puts the headers of credentials on requests to one node, and to nobody else."""

    def __init__(self, credentials: Credentials, *origins: str) -> None:
        self.credentials = credentials
        self._origins = tuple(origin.rstrip("/") + "/" for origin in origins)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers."""
        if (request.url or "").startswith(self._origins):
            request.headers.update(self.credentials.headers())
        return request


def from_environment() -> Credentials | None:
    """What the environment offers: an API key, or a token by WLCG's bearer token discovery.

    The order is `MARTLET_ACCESS_KEY` with `MARTLET_SECRET_KEY`, `BEARER_TOKEN`, `BEARER_TOKEN_FILE`,
    `$XDG_RUNTIME_DIR/bt_u$UID`, `/tmp/bt_u$UID`.
    """
    access, secret = os.environ.get("MARTLET_ACCESS_KEY"), os.environ.get("MARTLET_SECRET_KEY")
    if access and secret:
        return ApiKey(access, secret)
    if token := os.environ.get("BEARER_TOKEN"):
        return Bearer(token.strip())
    if file := os.environ.get("BEARER_TOKEN_FILE"):
        return TokenFile(file)
    name = f"bt_u{os.getuid()}"
    folders = [os.environ.get("XDG_RUNTIME_DIR"), "/tmp"]  # noqa: S108
    for path in (Path(folder) / name for folder in folders if folder):
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid():
            return TokenFile(path)
    return None
