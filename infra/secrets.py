"""Fill ``secrets/`` for the container set-up: every file of ``secrets.example/`` with real values in place of CHANGE-ME.

Passwords that appear in several files agree: a server's own file and the URL by which services reach it.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from infra.onehost.secrets import make_key

__all__ = ["write"]

PLACEHOLDER = "CHANGE-ME"
EXAMPLES = Path(__file__).resolve().parents[1] / "secrets.example"

SHARED = {  # file -> the password it holds; any other file has its own
    "postgres_password": "postgres",
    "admin_database_url": "postgres",
    "redis_password": "redis",
    "redis_url": "redis",
    "s3_config": "s3",
    "storage_url": "s3",
}


def write(folder: Path, examples: Path = EXAMPLES) -> None:
    """Write all secrets into a folder that must not exist yet: overwriting them would lock everybody out.

    Raises FileExistsError. A folder that could not be filled is removed again.
    """
    folder.mkdir(mode=0o700)
    try:
        _fill(folder, examples)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(folder: Path, examples: Path) -> None:
    (folder / "service_keys").mkdir(mode=0o755)
    passwords: dict[str, str] = {}
    for example in sorted(path for path in examples.iterdir() if path.suffix != ".md"):
        if example.name.endswith("_service_key"):
            value, public = make_key()
            (folder / "service_keys" / f"{example.name.removesuffix('_service_key')}.pub").write_text(public)
        else:
            password = passwords.setdefault(SHARED.get(example.name, example.name), secrets.token_hex(24))
            value = example.read_text().replace(PLACEHOLDER, password)
        target = folder / example.name
        target.write_text(value.strip() + "\n")
        # Containers read these as their own user; the folder's mode keeps everybody else on this machine out.
        target.chmod(0o644)
