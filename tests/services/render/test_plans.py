"""The same plan is the same clip."""

from __future__ import annotations

from uuid import UUID

from libs.contracts.media import Original, Preset
from services.render import plans
from services.render.presets import SHORTEST, TARGETS

MEDIA = UUID("018f0000-0000-7000-8000-0000000000aa")


def recording(*, has_video: bool) -> Original:
    facts = {"owner_id": MEDIA, "title": "t", "object_key": "k", "size": 1, "sha256": "", "container": "mov"}
    return Original(media_id=MEDIA, mime="", duration=60, has_audio=True, has_video=has_video, **facts)  # type: ignore[arg-type]


def test_a_digest_outlives_releases() -> None:
    plan = plans.make(recording(has_video=True), 1.0, 9.5, Preset.SHORTS, "left out")
    assert plan.digest() == "5c67b81c95c49bb4a497d460101709ae51923ffc8763e415e03cc0e99436d32d"
    assert plans.Plan.model_validate(plan.model_dump(mode="json")).digest() == plan.digest()


def test_what_changes_the_picture_changes_the_digest() -> None:
    video, sound = recording(has_video=True), recording(has_video=False)
    made = [
        plans.make(video, 1, 9, Preset.SHORTS, "a"),
        plans.make(video, 1.001, 9, Preset.SHORTS, "a"),
        plans.make(video, 1, 9, Preset.SQUARE, "a"),
        plans.make(video, 1, 9, Preset.AUDIOGRAM, "a"),
        plans.make(video, 1, 9, Preset.AUDIOGRAM, "b"),
        plans.make(sound, 1, 9, Preset.SHORTS, "a"),
    ]
    assert len({plan.digest() for plan in made}) == len(made)
    assert plans.make(video, 1, 9, Preset.SHORTS, "b").digest() == made[0].digest(), "a video does not show its title"


def test_the_table_of_presets_is_whole_and_sane() -> None:
    assert set(TARGETS) == set(Preset)
    for target in TARGETS.values():
        assert target.width % 2 == target.height % 2 == 0
        assert target.safe.bottom >= 0.15
        assert target.loudness == -14
        assert target.ceiling <= -1
        assert target.longest > SHORTEST
