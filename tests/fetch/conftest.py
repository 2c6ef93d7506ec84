"""A small server that behaves as S3 does, and on request as badly as a bad line does."""

import hashlib
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

import pooch
import pytest

from pydra_vae.downloads.files import RemoteFile, checksum_of_etag
from pydra_vae.downloads.http import Client

PAGE = 100  # keys a page, so that listings need several
ERROR = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Server(ThreadingHTTPServer):
    """Serves `objects` ("bucket/key" to bytes); `faults` says what goes wrong with one, and how often.

    Faults, as (kind, times): ``cut`` (half of what is asked for, then the connection breaks), ``wrong`` (other bytes of
    the same size), ``longer``, a status such as 500, 404, 403; ``no range`` and ``bad range`` are lasting.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects, self.faults, self.etags, self.pages = {}, {}, {}, {}
        self.asked, self.headers, self.sent = Counter(), [], Counter()
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def etag(self, name):
        return self.etags.get(name, f'"{hashlib.md5(self.objects[name]).hexdigest()}"')

    def entries(self, bucket, prefix, delimiter):
        """Keys below a prefix, then the folders: ("k" or "f", key)."""
        keys, folders, start = [], set(), f"{bucket}/{prefix}"
        for name in self.objects:
            if name.startswith(start):
                folder, slash, _ = name[len(start) :].partition(delimiter or "\0")
                if slash:
                    folders.add(f"{prefix}{folder}{delimiter}")
                else:
                    keys.append(name[len(bucket) + 1 :])
        return [("k", key) for key in sorted(keys)] + [("f", folder) for folder in sorted(folders)]

    def fault(self, name):
        with self.lock:
            kind, times = self.faults.get(name, (None, 0))
            if times <= 0:
                return None
            self.faults[name] = (kind, times - 1)
            return kind

    def handle_error(self, request, client_address):
        """Broken pipes are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        name = unquote(url.path).strip("/")
        with self.server.lock:
            self.server.headers.append((name, dict(self.headers)))
        if "list-type" in url.query:
            return self._list(name, {key: value[0] for key, value in parse_qs(url.query).items()})
        return self._object(name)

    def _answer(self, status, body, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, bucket, query):
        fault = self.server.fault(f"{bucket}?list")
        if isinstance(fault, int):
            return self._answer(fault, b"")
        if bucket in self.server.pages:
            return self._answer(200, self.server.pages[bucket])
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        entries = self.server.entries(bucket, prefix, delimiter)
        start = int(query.get("continuation-token", "0+/=").partition("+")[0])
        page, more = entries[start : start + PAGE], start + PAGE < len(entries)
        body = "".join(map(lambda entry: self._entry(bucket, *entry), page))
        token = f"<NextContinuationToken>{start + PAGE}+/=</NextContinuationToken>" if more else ""
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{space}">'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{body}{token}</ListBucketResult>"
        )
        return self._answer(200, text.encode())

    def _entry(self, bucket, kind, key):
        if kind == "f":
            return f"<CommonPrefixes><Prefix>{quote_plus(key, safe='/')}</Prefix></CommonPrefixes>"
        name = f"{bucket}/{key}"
        etag = escape(self.server.etag(name), {'"': "&quot;"})
        size = len(self.server.objects[name])
        return f"<Contents><Key>{quote_plus(key, safe='/')}</Key><ETag>{etag}</ETag><Size>{size}</Size></Contents>"

    def _object(self, name):
        with self.server.lock:
            self.server.asked[name] += 1
        kind = self.server.fault(name)
        if isinstance(kind, int):
            return self._answer(kind, ERROR, Retry_After="0")
        if name not in self.server.objects:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, etag = self.server.objects[name], self.server.etag(name)
        start, ranged = 0, self.headers.get("Range")
        lasting = self.server.faults.get(name, ("", 0))[0]
        if ranged and lasting != "no range" and self.headers.get("If-Range", etag) == etag:
            start = int(ranged.removeprefix("bytes=").rstrip("-"))
        if kind == "wrong":
            data = bytes(byte ^ 1 for byte in data)
        if kind == "longer":
            data += b"more"
        body = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        if start:
            told = 0 if lasting == "bad range" else start
            self.send_header("Content-Range", f"bytes {told}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if kind == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        with self.server.lock:
            self.server.sent[name] += len(body)
        if kind == "cut":
            self.wfile.flush()
            self.connection.close()


@contextmanager
def serving():
    """A server in a thread, until the end of the block."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_pause_before_wrong_bytes_are_fetched_again(monkeypatch):
    """pooch's own second; ours is a parameter."""
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def server():
    """An empty server."""
    with serving() as server:
        yield server


@pytest.fixture
def stored(server):
    """Puts an object on the server; returns how the listing has it."""

    def put(path, data, fault=None, bucket="bucket"):
        name = f"{bucket}/{path}"
        server.objects[name] = data
        if fault:
            server.faults[name] = fault
        etag = server.etag(name)
        return RemoteFile(path, f"{server.url}/{name}", len(data), checksum_of_etag(etag), etag)

    return put


@pytest.fixture
def client():
    """One that does not wait long before it tries again."""
    return Client(wait=0.01)
