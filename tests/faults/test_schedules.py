"""Twenty schedules of operations and faults, the same ones in every run, and the proof that the suite would notice.

``./clipstead faults --schedules 500 --seed N`` runs as many more as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.faults import checker, machine
from tests.faults.history import History
from tests.faults.origin import speech
from tests.faults.people import Person
from tests.faults.world import World

pytestmark = [pytest.mark.system, pytest.mark.timeout(1500)]

SEED, SCHEDULES = 20261125, 20


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    history = History(tmp_path_factory.mktemp("faults") / "history.jsonl")
    yield history
    history.close()


@pytest.fixture(scope="module")
def world(history: History) -> Iterator[World]:
    with World.running(history) as world:
        yield world


@pytest.fixture
def person(world: World, history: History) -> Iterator[Person]:
    world.heal()
    person = Person("Eve", world.url, world.origin, history, 0)
    yield person
    person.close()


def _ready(world: World, person: Person) -> str:
    """Have a person bring a recording, and wait until all is done; its id."""
    person.do(lambda: person.upload(speech(0.5, 1.2), 1, cut=False))
    person.idle()
    assert world.settle() is None
    assert person.lost == []
    media_id = person.recordings[-1].media_id
    assert media_id is not None
    return media_id


def test_twenty_schedules_keep_every_promise(world: World, history: History) -> None:
    report = machine.run(world, history, SEED, SCHEDULES)
    broken = ["\n".join([f"schedule {one.schedule}: {one.what}", *one.story]) for one in report.violations]
    assert broken == []
    assert report.schedules == SCHEDULES
    assert sum(history.faults.values()) > SCHEDULES
    assert history.acknowledged > SCHEDULES


def test_a_seed_and_a_number_always_draw_the_same_schedule() -> None:
    drawn: list[list[list[str]]] = []
    for _ in range(2):
        steps: list[list[str]] = [[] for _ in range(10)]
        for index, noted in enumerate(steps):
            machine.draw(7, index, noted.append)
        drawn.append(steps)
    assert drawn[0] == drawn[1]
    assert len({str(steps) for steps in drawn[0]}) == 10
    assert sum(map(len, drawn[0])) > 50


@pytest.mark.parametrize(("when", "there"), [("before", False), ("after", True)])
def test_a_process_dies_at_the_commit_that_was_named(world: World, person: Person, when: str, there: bool) -> None:
    media_id = _ready(world, person)
    before = world.processes()["catalog"].pid
    world.kill_at_commit("catalog", when, 1, "library.edit")
    person.do(lambda: person.rename(0, "A name given in the last moment"))
    person.idle()
    assert "A name given in the last moment" in person.recordings[0].open_titles
    world.heal()
    assert world.processes()["catalog"].pid != before
    title = person.look(f"/api/v1/library/{media_id}").json()["title"]
    assert (title == "A name given in the last moment") is there


def test_the_judge_finds_nothing_wrong_where_nothing_is(world: World, person: Person) -> None:
    _ready(world, person)
    assert checker.violations(world, [person]) == []


def test_the_judge_notices_a_lost_recording(world: World, person: Person) -> None:
    media_id = _ready(world, person)
    with world.database() as connection:
        connection.execute("DELETE FROM catalog.media WHERE id = %s", (media_id,))
    assert any("not in the library" in what for what in checker.violations(world, [person]))


def test_the_judge_notices_other_bytes(world: World, person: Person) -> None:
    media_id = _ready(world, person)
    with world.database() as connection:
        row = connection.execute("SELECT object_key FROM ingest.originals WHERE media_id = %s", (media_id,)).fetchone()
    assert row is not None
    world.store.put(row[0], [b"something else"], "audio/wav")
    assert any("other bytes than its row" in what for what in checker.violations(world, [person]))
    person.do(lambda: person.delete(0))
    person.idle()
    assert world.settle() is None


def test_the_judge_notices_a_forgotten_deletion(world: World, person: Person) -> None:
    media_id = _ready(world, person)
    person.recordings[0].deleting = person.recordings[0].deleted = True  # so they believe
    found = checker.violations(world, [person])
    assert any(f"the deleted recording {media_id} is in the library" in what for what in found)
    assert any("stream still has" in what for what in found)


def test_the_judge_notices_an_effect_that_happened_twice(world: World, person: Person) -> None:
    media_id = _ready(world, person)
    with world.database() as connection:
        connection.execute(
            "INSERT INTO transcription.transcripts "
            "SELECT gen_random_uuid(), media_id, version + 1, engine, model, quality, language, duration, words, loudness, "
            "created_at FROM transcription.transcripts WHERE media_id = %s",
            (media_id,),
        )
    assert any("2 transcripts of one recording" in what for what in checker.violations(world, [person]))
    assert httpx.get(f"{world.url}/health/live").status_code == 200
