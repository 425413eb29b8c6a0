"""An S3 server for tests: MinIO in a container where Docker answers, else moto's server, both over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException
from moto.server import ThreadedMotoServer
from testcontainers.community.minio import MinioContainer


def docker_answers() -> bool:
    """Tell whether containers can be started here."""
    try:
        client = docker.from_env(timeout=3)
    except DockerException:
        return False
    client.close()
    return True


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server; gives a storage URL with an empty bucket name to be filled in."""
    if docker_answers():
        with MinioContainer() as minio:
            config = minio.get_config()
            yield f"s3://{config['access_key']}:{config['secret_key']}@{config['endpoint']}/bucket?secure=0"
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"s3://test:{'s' * 16}@{host}:{port}/bucket?secure=0"
    finally:
        server.stop()
