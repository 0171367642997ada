"""The session that all requests go through: retries, limits of time, and who asks."""

from __future__ import annotations

import os
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0


class _Adapter(HTTPAdapter):
    """Gives every request a limit of time: requests itself has none."""

    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *args, **options)  # type: ignore[arg-type]


class _Session(requests.Session):
    """A session whose API key, like its token, is told to nobody that a redirect leads to.

    And whose own authority counts more than one of the environment (`REQUESTS_CA_BUNDLE`), which requests prefers.
    """

    def merge_environment_settings(self, *arguments: Any, **options: Any) -> Any:
        settings = super().merge_environment_settings(*arguments, **options)
        if isinstance(self.verify, str):
            settings["verify"] = self.verify
        return settings

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        super().rebuild_auth(prepared_request, response)
        if self.should_strip_auth(response.request.url or "", prepared_request.url or ""):
            for name in ("access-key", "secret-key"):
                prepared_request.headers.pop(name, None)


def session(ca: str | None = None) -> requests.Session:
    """Make a session that asks again, later each time, when a node is busy or not to be reached.

    Args:
        ca: a file with the authority of the node's certificate; `MARTLET_CA` or the system's otherwise.

    """
    made = _Session()
    # A POST is asked again only where the connection was not even made: it must not do a thing twice.
    retries = Retry(
        total=5,
        other=0,
        backoff_factor=0.3,
        status_forcelist=(429, 502, 503, 504),
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(max_retries=retries, pool_maxsize=32))
    if authority := ca or os.environ.get("MARTLET_CA"):
        made.verify = authority
    return made
