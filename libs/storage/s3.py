"""Objects in any S3, through the MinIO client."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import urllib3
from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from libs.storage import CHUNK, NotStored, StorageUnavailable, Stored, check_key

__all__ = ["S3Store"]

PART = 8 * 1024 * 1024  # bytes of a multipart piece; each upload holds one in memory
MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}


class _Reader:
    """Gives chunks to the MinIO client as a file, counting and hashing on the way."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, wanted: int = -1) -> bytes:
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
        return given


class S3Store:
    """A bucket that holds objects by their keys. The bucket is made if it is missing."""

    def __init__(
        self, *, endpoint: str, access_key: str, secret_key: str, bucket: str, secure: bool, scratch: Path
    ) -> None:
        self._bucket = bucket
        self._scratch = scratch
        # Three tries with backoff on what is safe to repeat; a dead store is noticed in seconds, not in urllib3's minutes.
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=3, read=30),
            retries=urllib3.Retry(total=3, backoff_factor=0.3, status_forcelist=[500, 502, 503, 504]),
            maxsize=10,
        )
        self._client = Minio(
            endpoint, access_key=access_key, secret_key=secret_key, secure=secure, region="us-east-1", http_client=pool
        )
        self._bucket_known = False

    def put(self, key: str, chunks: Iterable[bytes], content_type: str) -> Stored:
        """Write an object from a stream of chunks, as a multipart upload."""
        reader = _Reader(chunks)
        with _translated(key):
            self._ensure_bucket()
            self._client.put_object(
                bucket_name=self._bucket,
                object_name=check_key(key),
                data=cast("BinaryIO", reader),  # it only reads
                length=-1,
                part_size=PART,
                content_type=content_type,
            )
        return Stored(key, reader.size, reader.digest.hexdigest())

    def put_file(self, key: str, path: Path, content_type: str) -> Stored:
        """Write an object from a local file."""
        with path.open("rb") as source:
            return self.put(key, iter(lambda: source.read(CHUNK), b""), content_type)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a part of an object."""
        if length == 0:
            self.size(key)
            return iter(())
        with _translated(key):
            response = self._client.get_object(
                bucket_name=self._bucket, object_name=check_key(key), offset=offset, length=length or 0
            )
        return _drain(response, key)

    def size(self, key: str) -> int:
        """Size in bytes."""
        with _translated(key):
            return int(self._client.stat_object(bucket_name=self._bucket, object_name=check_key(key)).size or 0)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with _translated(key):
            self._client.remove_object(bucket_name=self._bucket, object_name=check_key(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with ``prefix``."""
        with _translated(prefix):
            self._ensure_bucket()
            for entry in self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
                yield str(entry.object_name)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """The object downloaded to scratch, removed after the block."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=Path(key).suffix) as file:
            for chunk in self.read(key):
                file.write(chunk)
            file.flush()
            yield Path(file.name)

    def _ensure_bucket(self) -> None:
        if not self._bucket_known and not self._client.bucket_exists(bucket_name=self._bucket):
            try:
                self._client.make_bucket(bucket_name=self._bucket)
            except S3Error as error:
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
        self._bucket_known = True


def _drain(response: urllib3.BaseHTTPResponse, key: str) -> Iterator[bytes]:
    try:
        with _translated(key):
            yield from response.stream(CHUNK)
    finally:
        response.close()
        response.release_conn()


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except S3Error as error:
        if error.code in MISSING:
            raise NotStored(key) from error
        raise StorageUnavailable(f"{error.code}: {error.message}") from error
    except (HTTPError, OSError) as error:
        raise StorageUnavailable(str(error)) from error
