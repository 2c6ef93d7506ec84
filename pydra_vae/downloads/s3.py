"""What lies in a bucket of Amazon's S3, with size and checksum of each object (ListObjectsV2)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from urllib.parse import quote, unquote_plus, urlencode

from pydra_vae.downloads.files import FetchError, RemoteFile, checksum_of_etag
from pydra_vae.downloads.http import Client


class Bucket:
    """A bucket and how it is asked.

    Parameters
    ----------
    url : str
        Address of the bucket, without a slash at its end.
    client : Client
    """

    def __init__(self, url: str, client: Client):
        self.url, self.client = url.rstrip("/"), client

    def files(self, prefix: str, folder: bool = False) -> list[RemoteFile]:
        """Objects whose key begins with a prefix; `path` is the key.

        Parameters
        ----------
        prefix : str
            Such as ``fmriprep/ds001338-fmriprep/sub-tb2994/``.
        folder : bool
            Leave out what lies in folders below.
        """
        found = []
        for page in self._pages(prefix, folder):
            for entry in page.iter("Contents"):
                key = _name(page, entry.findtext("Key", ""))
                if key.endswith("/"):  # a folder's own mark
                    continue
                etag = entry.findtext("ETag", "")
                url = f"{self.url}/{quote(key)}"
                found.append(RemoteFile(key, url, int(entry.findtext("Size", "0")), checksum_of_etag(etag), etag))
        return found

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix that ends with a slash."""
        return [
            _name(page, entry.findtext("Prefix", "")).removeprefix(prefix).rstrip("/")
            for page in self._pages(prefix, True)
            for entry in page.iter("CommonPrefixes")
        ]

    def _pages(self, prefix: str, folder: bool) -> Iterator[ET.Element]:
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"} | ({"delimiter": "/"} if folder else {})
        while True:
            # the answer's "/" and "+" must not be taken for others: all is escaped
            answer = self.client.get(f"{self.url}/?{urlencode(query, quote_via=quote, safe='')}")
            page = self._parsed(answer.content)
            yield page
            if page.findtext("IsTruncated") != "true":
                return
            token = page.findtext("NextContinuationToken", "")
            if token in ("", query.get("continuation-token")):  # half of a listing must not be taken for all of it
                raise FetchError(f"{self.url}: the listing of {prefix} ends before its end; start again later")
            query["continuation-token"] = token

    def _parsed(self, content: bytes) -> ET.Element:
        try:
            page = ET.fromstring(content)
        except ET.ParseError as error:
            raise FetchError(f"{self.url}: no listing of a bucket came, but {content[:80]!r}") from error
        for element in page.iter():
            element.tag = element.tag.rpartition("}")[2]
        if page.tag != "ListBucketResult":
            raise FetchError(f"{self.url}: no listing of a bucket came, but <{page.tag}>")
        return page


def _name(page: ET.Element, text: str) -> str:
    """A key as it is stored; servers other than Amazon's may not know ``encoding-type`` and escape nothing."""
    return unquote_plus(text) if page.findtext("EncodingType") == "url" else text
