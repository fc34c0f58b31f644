import pytest
from pgflow_brake import Brake
from pgflow_brake.failures import dead_letters

from pgflow import JobError, JobRejected
from pgflow.testing import assert_hook_called, drain


@pytest.fixture
def app(plugin_app):
    return plugin_app(Brake(most=2, look_seconds=0))


@pytest.fixture
def charge(app):
    @app.task(name="shop.charge", max_attempts=1)
    def charge(order: int) -> None:
        if order < 10:
            raise JobError("CARD_DECLINED", "the bank says no")

    return charge


def test_a_task_that_keeps_failing_is_refused(app, charge):
    charge.enqueue_many([((order,), {}) for order in (1, 2)])
    assert drain(app).dead == 2
    assert dead_letters(app) == {"shop.charge": 2}
    with pytest.raises(JobRejected, match="TASK_NEEDS_MENDING: shop.charge has 2 dead letters"):
        charge.enqueue(3)


def test_other_tasks_go_on(app, charge):
    charge.enqueue_many([((order,), {}) for order in (1, 2)])
    drain(app)
    app.enqueue("shop.ship", [1])
    made = assert_hook_called(app, "pgflow_before_enqueue", plugin="brake", times=2)
    assert [job.task for job in made.given["jobs"]] == ["shop.ship"]


def test_a_replay_passes_and_releases_the_brake(app, charge):
    dead = charge.enqueue_many([((order,), {}) for order in (1, 2)])
    drain(app)
    app.replay(dead[0])
    charge.enqueue(10)
