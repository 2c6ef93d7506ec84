"""Signed requests to Amazon's S3 (Signature Version 4), for data behind one's own credentials.

These 40 lines stand for botocore (80 MB installed with boto3's data) because a signature is all that is needed of it;
the tests hold them against the examples of Amazon's own description ("Authenticating Requests: Using the Authorization
Header").
"""

from __future__ import annotations

import configparser
import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydra_vae.downloads.files import FetchError

if TYPE_CHECKING:
    import requests

_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Credentials:
    """Keys of an Amazon account, such as ConnectomeDB gives; the secret ones show in no message."""

    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def credentials(profile: str | None = None, environ: Mapping[str, str] = os.environ) -> Credentials:
    """Find the user's own keys where Amazon's tools look for them.

    Parameters
    ----------
    profile : str, optional
        Section of the credentials file; else the environment's keys, its AWS_PROFILE, ``hcp``, ``default``.
    environ : mapping
        Environment variables.

    Raises
    ------
    FetchError
        If there are none.
    """
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if key and secret and not profile:
        return Credentials(key, secret, environ.get("AWS_SESSION_TOKEN", ""))
    path = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path("~/.aws/credentials").expanduser())
    # keys hold % signs, which interpolation would take for its own
    stored = configparser.RawConfigParser()
    try:
        stored.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise FetchError(f"{path} cannot be read as a file of credentials: {type(error).__name__}") from None
    names = [profile] if profile else [environ.get("AWS_PROFILE", ""), "hcp", "default"]
    for name in filter(stored.has_section, filter(None, names)):
        own = stored[name]
        if own.get("aws_access_key_id") and own.get("aws_secret_access_key"):
            return Credentials(own["aws_access_key_id"], own["aws_secret_access_key"], own.get("aws_session_token", ""))
    raise FetchError(
        f"no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment nor a section "
        f"{' or '.join(f'[{name}]' for name in names if name)} in {path}. {HINT}"
    )


HINT = (
    "Log in at https://db.humanconnectome.org, accept the Open Access data use terms, and have Amazon S3 access "
    "enabled there: it shows an access key and a secret key"
)


class SigV4:
    """Signs requests without a body; give it to requests as ``auth``.

    Parameters
    ----------
    own : Credentials
    region, service : str
    now : callable, optional
        The time in UTC.
    """

    def __init__(self, own: Credentials, region: str = "us-east-1", service: str = "s3", now=None):
        self.own, self.region, self.service = own, region, service
        self.now = now or (lambda: dt.datetime.now(dt.UTC))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers that prove who asks."""
        stamp = self.now().strftime("%Y%m%dT%H%M%SZ")
        url = urlsplit(request.url)
        request.headers.update({"Host": url.netloc, "x-amz-date": stamp, "x-amz-content-sha256": _EMPTY})
        if self.own.token:
            request.headers["x-amz-security-token"] = self.own.token
        # Range belongs to what is asked for; others (User-Agent) may be changed on the way
        signed = {
            name.lower(): str(value).strip()
            for name, value in request.headers.items()
            if name.lower() in ("host", "range") or name.lower().startswith("x-amz-")
        }
        names = ";".join(sorted(signed))
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in sorted(parse_qsl(url.query, keep_blank_values=True))
        )
        headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        # the path is decoded first: requests has encoded it, and it is to be encoded once
        path = quote(unquote(url.path) or "/", safe="/")
        whole = "\n".join([str(request.method), path, query, headers, names, _EMPTY])
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(whole.encode()).hexdigest()])
        signature = hmac.new(self._key(stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.own.key}/{scope},SignedHeaders={names},Signature={signature}"
        )
        return request

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.own.secret}".encode()
        for word in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        return key
