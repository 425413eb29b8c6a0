"""What was said can be searched: by the words of its language, whatever their endings. And it has chapters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, REGCONFIG, TSVECTOR

revision = "0004"
down_revision = "0003"

RULES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
    "yi": "yiddish",
}  # fmt: skip


def upgrade() -> None:
    """Add columns and index. Segments that are there already get the rules of their transcript's language."""
    op.add_column("transcripts", sa.Column("chapters", JSONB, nullable=False, server_default="[]"))
    op.add_column("segments", sa.Column("rules", REGCONFIG, nullable=False, server_default="simple"))
    for language, rules in RULES.items():
        op.execute(
            sa.text(
                "UPDATE segments SET rules = CAST(:rules AS regconfig) FROM transcripts"
                " WHERE transcripts.id = transcript_id AND transcripts.language = :language"
            ).bindparams(rules=rules, language=language)
        )
    op.add_column("segments", sa.Column("search", TSVECTOR, sa.Computed("to_tsvector(rules, text)", persisted=True)))
    op.create_index("ix_segments_search", "segments", ["search"], postgresql_using="gin")
