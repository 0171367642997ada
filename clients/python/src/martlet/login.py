"""Logging in with a browser (RFC 8628), once: what comes of it is kept in a file that only its owner reads."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from martlet.errors import LoginError, check
from martlet.http import session

CLIENT = "gdal"
SCOPE = "openid offline_access"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# A token is renewed when less is left of it than a request may take.
_MARGIN_SECONDS = 60


class Login:
    """A login at one node, kept from one program to the next."""

    def __init__(self, url: str, *, ca: str | None = None, folder: Path | None = None) -> None:
        """Find the login that is kept for a node, if there is one.

        Args:
            url: the node's web address.
            ca: as in `martlet.connect`.
            folder: where logins are kept; `$XDG_CONFIG_HOME/martlet` otherwise.

        """
        self.url = url.rstrip("/")
        folder = folder or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "martlet"
        self.path = folder / f"login-{hashlib.sha256(self.url.encode()).hexdigest()[:16]}.json"
        self._http = session(ca)
        self._token: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Login({self.url!r})"

    @property
    def is_kept(self) -> bool:
        """Whether somebody has logged in before."""
        return self.path.exists()

    def headers(self) -> Mapping[str, str]:
        """The token, renewed when it has nearly run out.

        Raises:
            LoginError: if nobody has logged in, or the login has run out.

        """
        if not self._is_fresh(self._token):
            # One program renews at a time: a refresh token counts once.
            with self._locked():
                self._token = self._read()
                if not self._is_fresh(self._token):
                    self._token = self._renewed(self._token)
        assert self._token  # noqa: S101
        return {"Authorization": f"Bearer {self._token['access_token']}"}

    def open(self, show: Callable[[str, str], None] | None = None) -> None:
        """Log in: shows an address and a code, and waits until somebody has agreed there in a browser.

        Args:
            show: is told the address and the code; prints them on standard error otherwise.

        Raises:
            LoginError: if nobody agreed in time, or somebody refused.

        """
        places = self._places()
        fields = {"client_id": CLIENT, "scope": SCOPE}
        asked = check(self._http.post(places["device_authorization_endpoint"], data=fields)).json()
        (show or _show)(asked.get("verification_uri_complete") or asked["verification_uri"], asked["user_code"])
        until = time.monotonic() + float(asked["expires_in"])
        pause = float(asked.get("interval", 5))
        while time.monotonic() < until:
            try:
                token = self._client().fetch_token(
                    places["token_endpoint"],
                    grant_type=_DEVICE_GRANT,
                    device_code=asked["device_code"],
                    verify=self._http.verify,
                )
            except OAuthError as error:
                if error.error not in ("authorization_pending", "slow_down"):
                    raise LoginError(f"the login was not allowed: {error.description or error.error}") from error
                pause += 5 if error.error == "slow_down" else 0
                time.sleep(pause)
            else:
                with self._locked():
                    self._keep(dict(token))
                return
        raise LoginError("nobody has agreed in time")

    def forget(self) -> None:
        """Log out: the login is taken back at the node, and nothing is kept."""
        with self._locked():
            if token := self._read():
                fields = {"client_id": CLIENT, "token": token["refresh_token"]}
                check(self._http.post(self._places()["revocation_endpoint"], data=fields))
            self.path.unlink(missing_ok=True)
        self._token = None

    def _places(self) -> dict[str, Any]:
        found: dict[str, Any] = check(self._http.get(f"{self.url}/.well-known/openid-configuration")).json()
        return found

    def _client(self) -> Any:
        client = OAuth2Session(CLIENT, scope=SCOPE, token_endpoint_auth_method="none")  # noqa: S106
        client.adapters = self._http.adapters
        return client

    @staticmethod
    def _is_fresh(token: dict[str, Any] | None) -> bool:
        return token is not None and float(token.get("expires_at", 0)) - time.time() > _MARGIN_SECONDS

    def _renewed(self, token: dict[str, Any] | None) -> dict[str, Any]:
        if token is None:
            raise LoginError(f"nobody has logged in at {self.url}: run 'martlet-login {self.url}'")
        try:
            renewed = self._client().refresh_token(
                self._places()["token_endpoint"], token["refresh_token"], verify=self._http.verify
            )
        except OAuthError as error:
            raise LoginError(f"the login at {self.url} has run out: run 'martlet-login {self.url}'") from error
        self._keep(dict(renewed))
        return dict(renewed)

    def _read(self) -> dict[str, Any] | None:
        try:
            kept: dict[str, Any] = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LoginError(f"the login in {self.path} cannot be read: {error}") from error
        return kept

    def _keep(self, token: dict[str, Any]) -> None:
        """Replace the file as a whole; it was never readable for others, not for a moment."""
        self._token = token
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".login-")
        with os.fdopen(descriptor, "w") as file:
            json.dump(token, file)
        Path(name).replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _show(address: str, code: str) -> None:
    print(f"Open {address} in a browser and agree there. The code is {code}.", file=sys.stderr, flush=True)


def main() -> int:
    """`martlet-login [URL]`: log in at a node, by default the one that MARTLET_URL names."""
    url = sys.argv[1] if len(sys.argv) == 2 else os.environ.get("MARTLET_URL")
    if not url or url.startswith("-"):
        print("usage: martlet-login URL        (or set MARTLET_URL)", file=sys.stderr)
        return 2
    try:
        Login(url).open()
    except (LoginError, OSError, requests.RequestException) as error:
        print(f"martlet-login: {error}", file=sys.stderr)
        return 1
    return 0
