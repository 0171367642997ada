"""Tokens for jobs that wait in a queue: granted at submission, claimed when the job runs, renewed until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from martlet.errors import LoginError, check
from martlet.http import session


@dataclass(frozen=True)
class JobGrant:
    """What a job, or each of an array of them, may claim."""

    id: str
    claim: str = field(repr=False)
    """The secret that goes with the job; it opens a token once for each job of the array."""
    expires: str


class JobToken:
    """The token of a running job, renewed when it is time; given up at the end of a `with`.

    It is `Credentials`: `martlet.connect(url, credentials=token)`.
    """

    def __init__(self, url: str, claim: str, *, index: int = 0, job: str = "", ca: str | None = None) -> None:
        """Claim the token.

        Args:
            url: the node's web address.
            claim: of a `JobGrant`.
            index: which job of an array this is.
            job: what the queue calls it, for the node's audit trail.
            ca: as in `martlet.connect`.

        Raises:
            LoginError: if the claim was used, has run out, or was taken back.

        """
        self._url = url.rstrip("/")
        self._http = session(ca)
        self._lock = threading.Lock()
        self._said: dict[str, Any] = self._ask("claim", claim=claim, index=str(index), job=job)
        self._renew_at = time.monotonic() + float(self._said["renew_after"])

    def headers(self) -> Mapping[str, str]:
        """The token, renewed when it is time."""
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._said = self._ask("renew", renewal=self._said["renewal"])
                self._renew_at = time.monotonic() + float(self._said["renew_after"])
            return {"Authorization": f"Bearer {self._said['access_token']}"}

    def end(self) -> None:
        """Give the token up: the job has ended."""
        with self._lock:
            self._ask("end", renewal=self._said["renewal"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _ask(self, what: str, **fields: str) -> dict[str, Any]:
        answer = self._http.post(f"{self._url}/oidc/jobs/{what}", data=fields)
        if answer.status_code == 400:
            raise LoginError(f"the job's token: {answer.json().get('error_description', 'refused')}")
        said: dict[str, Any] = check(answer).json() if answer.content else {}
        return said
