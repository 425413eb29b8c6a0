"""Objects in any S3, through the MinIO client."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from prometheus_client import Counter, Gauge
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from libs.storage import CHUNK, NotStored, StorageUnavailable, Stored, check_key, require_size
from libs.storage.cache import Cache
from libs.storage.gate import Gate

__all__ = ["S3Store"]

PART = 8 * 1024 * 1024  # bytes of a multipart piece; each upload holds one in memory
CONNECT = 2.0  # seconds
ANSWER = 5.0  # seconds to wait for a byte of an answer, while somebody waits for us
WRITE = 30.0  # seconds to wait until a piece is on the store's disks
ERRORS = Counter("s3_errors", "Requests to the object store that failed after all tries.", ["reason"])
OPEN_UPLOADS = Gauge("s3_orphan_parts", "Uploads in parts that began and have not ended, as last looked at.")
MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}


class _Again(urllib3.Retry):
    """Again what is safe to repeat (all but POST), soon and not all at once.

    A reset costs nothing and is tried again three times, each after a pause; a store that hangs once, as each wait is long.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Count a failure, and raise MaxRetryError where that was one too many."""
        if isinstance(error, ReadTimeoutError) and any(
            isinstance(past.error, ReadTimeoutError) for past in self.history
        ):
            raise MaxRetryError(cast("ConnectionPool", _pool), url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_backoff_time(self) -> float:
        """Seconds until the next try; urllib3's own rule has none before the first."""
        return super().get_backoff_time() or random.uniform(0.1, 0.2)  # noqa: S311  jitter


AGAIN = _Again(
    total=3, connect=3, read=3, backoff_factor=0.2, backoff_jitter=0.2, status_forcelist=[500, 502, 503, 504]
)


class _Reader:
    """Gives chunks to the MinIO client as a file, counting and hashing on the way."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self._parts: list[bytes] = []  # MD5 of each whole part
        self._part = hashlib.md5(usedforsecurity=False)
        self._in_part = 0
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, wanted: int = -1) -> bytes:
        """Give ``wanted`` bytes, or all that are left."""
        parts, have = [self._rest], len(self._rest)
        while wanted < 0 or have < wanted:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        given, self._rest = (data, b"") if wanted < 0 else (data[:wanted], data[wanted:])
        self.digest.update(given)
        self.size += len(given)
        self._note_parts(memoryview(given))
        return given

    @property
    def etag(self) -> str:
        """What S3 calls the object if it has just these bytes: their MD5, or that of the parts' and how many there are."""
        if not self._parts or (len(self._parts) == 1 and not self._in_part):
            return self._parts[0].hex() if self._parts else self._part.hexdigest()
        parts = [*self._parts, self._part.digest()] if self._in_part else self._parts
        return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"

    def _note_parts(self, data: memoryview) -> None:
        while data:
            now, data = data[: PART - self._in_part], data[PART - self._in_part :]
            self._part.update(now)
            self._in_part += len(now)
            if self._in_part == PART:
                self._parts.append(self._part.digest())
                self._part, self._in_part = hashlib.md5(usedforsecurity=False), 0


class S3Store:
    """A bucket that holds objects by their keys. The bucket is made if it is missing."""

    def __init__(
        self, *, endpoint: str, access_key: str, secret_key: str, bucket: str, secure: bool, scratch: Path
    ) -> None:
        self._bucket = bucket
        self._cache = Cache(scratch / "objects")
        self._gate = Gate()
        self._bucket_known = False

        def client(read: float) -> Minio:
            pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=CONNECT, read=read), retries=AGAIN, maxsize=10)
            return Minio(
                endpoint,
                access_key=access_key,
                secret_key=secret_key,
                secure=secure,
                region="us-east-1",
                http_client=pool,
            )

        self._client = client(ANSWER)
        self._writer = client(WRITE)

    def put(self, key: str, chunks: Iterable[bytes], content_type: str) -> Stored:
        """Write an object from a stream of chunks, as a multipart upload, and see that the store has just those bytes."""
        reader = _Reader(chunks)
        with self._reaching(key):
            self._ensure_bucket()
            written = self._writer.put_object(
                bucket_name=self._bucket,
                object_name=check_key(key),
                data=cast("BinaryIO", reader),  # it only reads
                length=-1,
                part_size=PART,
                num_parallel_uploads=1,  # so that one part is in memory, and none is still on its way after an abort
                content_type=content_type,
            )
        stored = Stored(key, reader.size, reader.digest.hexdigest())
        if str(written.etag).strip('"') != reader.etag:
            self._read_back(stored)
        return stored

    def put_file(self, key: str, path: Path, content_type: str) -> Stored:
        """Write an object from a local file."""
        with path.open("rb") as source:
            return self.put(key, iter(lambda: source.read(CHUNK), b""), content_type)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a part of an object."""
        if length == 0:
            self.size(key)
            return iter(())
        with self._reaching(key):
            response = self._client.get_object(
                bucket_name=self._bucket, object_name=check_key(key), offset=offset, length=length or 0
            )
        return self._drain(response, key, length)

    def size(self, key: str) -> int:
        """Size in bytes."""
        with self._reaching(key):
            return int(self._client.stat_object(bucket_name=self._bucket, object_name=check_key(key)).size or 0)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._reaching(key):
            self._client.remove_object(bucket_name=self._bucket, object_name=check_key(key))
        self._cache.drop(key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with ``prefix``."""
        with self._reaching(prefix):
            self._ensure_bucket()
            for entry in self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
                yield str(entry.object_name)

    @contextmanager
    def local(self, key: str, size: int | None = None) -> Iterator[Path]:
        """The object downloaded to scratch, where it stays for a while."""
        there = self.size(key)  # also where it is here already: what was deleted is not to be had
        require_size(key, there, size)
        with self._cache.held(key, there, lambda: self.read(key)) as path:
            yield path

    def abort_left_over(self, older: float) -> int:
        """Abort multipart uploads that began ``older`` seconds ago; ``s3_orphan_parts`` tells how many uploads are open."""
        aborted = 0
        with self._reaching(""):
            self._ensure_bucket()
            begun = list(self._begun())
            for key, upload_id, at in begun:
                if datetime.now(UTC) - at >= timedelta(seconds=older):
                    self._client._abort_multipart_upload(self._bucket, key, upload_id)  # noqa: SLF001  it has no other
                    aborted += 1
        OPEN_UPLOADS.set(len(begun) - aborted)
        return aborted

    def _begun(self) -> Iterator[tuple[str, str, datetime]]:
        """Key, id and time of every multipart upload that has not ended."""
        key_marker, id_marker = None, None
        while True:
            page = self._client._list_multipart_uploads(  # noqa: SLF001  the client keeps these to itself
                self._bucket, key_marker=key_marker, upload_id_marker=id_marker
            )
            for upload in page.uploads:
                yield str(upload.object_name), str(upload.upload_id), upload.initiated_time or datetime.now(UTC)
            if not page.is_truncated:
                return
            key_marker, id_marker = page.uploads[-1].object_name, page.uploads[-1].upload_id

    def _read_back(self, stored: Stored) -> None:
        """Read what was just written. Some stores, those that encrypt for one, name objects by something else than MD5."""
        digest, size = hashlib.sha256(), 0
        for chunk in self.read(stored.key):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (stored.size, stored.sha256):
            self.delete(stored.key)
            raise StorageUnavailable(f"{stored.key}: the store kept other bytes than it was sent")

    def _ensure_bucket(self) -> None:
        if not self._bucket_known and not self._client.bucket_exists(bucket_name=self._bucket):
            try:
                self._client.make_bucket(bucket_name=self._bucket)
            except S3Error as error:
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
        self._bucket_known = True

    def _drain(self, response: urllib3.BaseHTTPResponse, key: str, length: int | None) -> Iterator[bytes]:
        came = 0
        try:
            with self._reaching(key):
                for chunk in response.stream(CHUNK):
                    came += len(chunk)
                    yield chunk
                require_size(key, came, length)
        finally:
            response.close()
            response.release_conn()

    @contextmanager
    def _reaching(self, key: str) -> Iterator[None]:
        """Ask the store within this block, in its breaker's sight, and turn the client's errors into ours."""
        with self._gate.passing(), _translated(key):
            yield


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except S3Error as error:
        if error.code in MISSING:
            raise NotStored(key) from error
        ERRORS.labels(str(error.code)).inc()
        raise StorageUnavailable(f"{error.code}: {error.message}") from error
    except (HTTPError, MinioException, OSError) as error:
        ERRORS.labels(type(error).__name__).inc()
        raise StorageUnavailable(str(error)) from error
