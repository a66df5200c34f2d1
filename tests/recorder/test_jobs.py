"""A job's tree as Redis tells it, and waiting for its end."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.job import Dependency
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from recorder import jobs
from tests.apps.rq_tasks import DeafWorker, Mill, add, again, die, fail, login, nest, never, work


def by_function(tree: jobs.Tree) -> dict[str, Any]:
    return {node["function"].rpartition(".")[2]: node for node in jobs.nodes(tree)}


def test_a_single_job(queue: Queue) -> None:
    job = queue.enqueue(add, 1, right=2)
    before = jobs.tree(job.id, queue.connection)
    work(queue)
    after = jobs.tree(job.id, queue.connection)
    assert (before["status"], after["status"]) == ("queued", "finished")
    assert after["function"] == "tests.apps.rq_tasks.add"
    assert after["queue"] == "default"
    assert after["created_at"] <= after["enqueued_at"] <= after["started_at"] <= after["ended_at"]
    assert after["exc_info"] is None
    assert after["children"] == []


def test_an_unknown_job_is_gone(redis: Redis) -> None:
    assert jobs.wait("no-such-job", redis, 60)["status"] == "gone"


def test_a_failure_brings_the_end_of_its_traceback(queue: Queue) -> None:
    job = queue.enqueue(fail, "x" * 5000)
    work(queue)
    found = jobs.tree(job.id, queue.connection)
    assert found["status"] == "failed"
    assert len(found["exc_info"]) == 4096
    assert found["exc_info"].endswith("xxx\n")


def test_the_name_of_the_function_is_read_without_importing(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue.enqueue(Mill().grind, "rye")
    named = Queue("json", connection=queue.connection, serializer=JSONSerializer).enqueue("absent.module.call", 1)
    monkeypatch.delattr("tests.apps.rq_tasks.Mill")
    assert jobs.tree(job.id, queue.connection)["function"] == "tests.apps.rq_tasks.Mill.grind"
    assert jobs.tree(named.id, queue.connection)["function"] == "absent.module.call"


def test_children_come_from_the_recorder_the_dependents_and_the_meta(queue: Queue) -> None:
    child, named = queue.enqueue(add, 1, 1), queue.enqueue(nest, 0)
    parent = queue.enqueue(fail, meta={"children": [named.id]})
    queue.enqueue(die, depends_on=parent)
    queue.connection.sadd(jobs.children_key(parent.id), child.id)
    found = jobs.tree(parent.id, queue.connection)
    assert {name: node["status"] for name, node in by_function(found).items()} == {
        "fail": "queued", "add": "queued", "nest": "queued", "die": "deferred",
    }  # fmt: skip
    assert [node["id"] for node in found["children"]][:2] == [child.id, named.id]  # in order of creation


def test_a_loop_of_children_ends(queue: Queue) -> None:
    one, two = queue.enqueue(add, 1, 1), queue.enqueue(add, 2, 2)
    queue.connection.sadd(jobs.children_key(one.id), two.id)
    queue.connection.sadd(jobs.children_key(two.id), one.id)
    assert [node["id"] for node in jobs.nodes(jobs.tree(one.id, queue.connection))] == [one.id, two.id]


def test_aggregate_takes_the_worst() -> None:
    def tree(status: str, *below: str) -> jobs.Tree:
        return {"status": status, "children": [tree(name) for name in below]}

    order = ["failed", "stopped", "canceled", "started", "queued", "deferred", "scheduled", "finished"]
    for i, status in enumerate(order):
        assert jobs.aggregate(tree("finished", *reversed(order[i:]))) == status


def wait_while(queue: Queue, job_id: str, *, seconds: float = 60) -> tuple[jobs.Tree, float]:
    """The tree that `wait` returns while a worker is at work, and how long it took."""
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        waiting = pool.submit(jobs.wait, job_id, Redis(connection_pool=queue.connection.connection_pool), seconds)
        work(queue)
        return waiting.result(timeout=seconds), time.monotonic() - begun


def test_wait_returns_with_the_result(queue: Queue) -> None:
    found, seconds = wait_while(queue, queue.enqueue(add, 1, 1).id)
    assert found["status"] == "finished"
    assert seconds < 30


def test_wait_sees_through_the_early_result_of_a_retry(queue: Queue) -> None:
    found, _ = wait_while(queue, queue.enqueue(again, 3).id)
    assert found["status"] == "finished"


def test_retries_that_run_out_say_so(queue: Queue) -> None:
    job = queue.enqueue(never)
    work(queue)
    found = jobs.tree(job.id, queue.connection)
    assert (found["status"], found["exc_info"]) == (
        "failed",
        "The job returned Retry more often than its limit allows.",
    )


def test_wait_notices_what_leaves_no_result(queue: Queue) -> None:
    found, seconds = wait_while(queue, queue.enqueue(add, 1, 1, result_ttl=0).id)
    assert found["status"] in ("finished", "gone")  # gone: it was over before the first look
    assert seconds < 30


def test_a_job_without_kept_result_counts_as_finished_once_it_was_seen(queue: Queue) -> None:
    watch = jobs.Watch(queue.enqueue(add, 1, 1, result_ttl=0).id, queue.connection)
    assert watch.look()["status"] == "queued"
    work(queue)
    assert watch.look()["status"] == "finished"


def test_dependents_that_redis_forgets_are_remembered(queue: Queue) -> None:
    parent = queue.enqueue(add, 1, 1)
    queue.enqueue(nest, 0, depends_on=parent)
    watch = jobs.Watch(parent.id, queue.connection)
    assert len(list(jobs.nodes(watch.look()))) == 2
    work(queue)
    queue.connection.delete(jobs.children_key(parent.id))
    assert [node["status"] for node in jobs.nodes(watch.look())] == ["finished", "finished"]


def test_a_cancelled_job_is_terminal(queue: Queue) -> None:
    job = queue.enqueue(add, 1, 1)
    job.cancel()
    assert jobs.wait(job.id, queue.connection, 60)["status"] == "canceled"


def test_what_depends_on_a_failure_is_abandoned_and_not_waited_for(queue: Queue) -> None:
    parent = queue.enqueue(fail)
    below = queue.enqueue(add, 1, 1, depends_on=parent)
    queue.enqueue(nest, 0, depends_on=below)
    released = queue.enqueue(add, 5, 5, depends_on=Dependency(parent, allow_failure=True))
    watch = jobs.Watch(parent.id, queue.connection)
    watch.look()
    work(queue)
    found = watch.wait(60)
    assert jobs.aggregate(found) == "failed"
    assert jobs.is_settled(found)
    state = {node["id"]: (node["status"], node["abandoned"]) for node in jobs.nodes(found)}
    assert state.pop(parent.id) == ("failed", False)
    assert state.pop(released.id) == ("finished", False)
    assert set(state.values()) == {("deferred", True)}


def test_a_scheduled_job_is_still_open_when_the_time_is_up(queue: Queue) -> None:
    job = queue.enqueue_in(timedelta(hours=1), add, 1, 1)
    found = jobs.wait(job.id, queue.connection, 0.05)
    assert found["status"] == "scheduled"
    assert not jobs.is_settled(found)


def test_a_connection_with_a_short_socket_timeout_can_wait(queue: Queue, redis_url: str) -> None:
    """Nothing is asked that could take longer than it reads."""

    class Asked(Exception): ...

    class Told(Redis):
        def xread(self, *given: Any, **more: Any) -> Any:
            raise Asked

    job = queue.enqueue(add, 1, 1)
    with Told.from_url(redis_url, socket_timeout=0.9 * jobs.IMPATIENT) as connection:
        assert jobs.wait(job.id, connection, 1.2)["status"] == "queued"
    with Told.from_url(redis_url) as connection, pytest.raises(Asked):
        jobs.wait(job.id, connection, 60)


# What else a tree tells


def test_what_a_job_returned_is_told_when_it_is_plain(queue: Queue) -> None:
    plain, method = queue.enqueue(login, "ada", "pw"), queue.enqueue("tests.apps.rq_tasks.Mill")
    named = Queue("default", connection=queue.connection, serializer=JSONSerializer)
    work(queue)
    packed = named.enqueue(add, 2, 3)
    DeafWorker([named], connection=queue.connection, serializer=JSONSerializer).work(burst=True)
    assert jobs.tree(plain.id, queue.connection)["result"] == {"user": "ada", "access_token": "tok-pw"}
    assert "result" not in jobs.tree(method.id, queue.connection)
    assert jobs.tree(packed.id, queue.connection)["result"] == 5


def test_what_a_job_waits_for_and_who_enqueued_it(queue: Queue) -> None:
    root = queue.enqueue(add, 1, 1)
    nested = queue.enqueue(add, 1, 1, depends_on=root)
    nested.meta["recorder"] = {"v": 1, "parent_job": root.id}  # a recorder in this process may have written its own
    nested.save_meta()
    above, below = jobs.nodes(jobs.tree(root.id, queue.connection))
    assert (above["parent"], above["depends_on"]) == (None, [])
    assert (below["id"], below["tagged"], below["parent"]) == (nested.id, True, root.id)
    assert below["depends_on"] == [root.id]


def lacking(queue: Queue, job_id: str) -> str | None:
    lacks: str | None = jobs.wait(job_id, queue.connection, 0.05)["lacks"]
    return lacks


def test_a_job_that_waits_says_what_it_lacks(queue: Queue) -> None:
    job, later = queue.enqueue(add, 1, 1), queue.enqueue_in(timedelta(hours=1), add, 1, 1)
    assert lacking(queue, job.id) == "worker"
    worker = Worker([queue], connection=queue.connection)
    worker.register_birth()
    assert (lacking(queue, job.id), lacking(queue, later.id)) == (None, "scheduler")
    queue.connection.set("rq:scheduler-lock:default", "mill")
    assert lacking(queue, later.id) is None
    worker.register_death()
    assert lacking(queue, job.id) == "worker"


def started(queue: Queue) -> tuple[Worker, Any]:
    """A worker as Redis knows it, and a job that it has begun."""
    worker, job = Worker([queue], connection=queue.connection), queue.enqueue(add, 1, 1)
    worker.register_birth()
    queue.connection.lrem(queue.key, 1, job.id)
    job.worker_name = worker.name
    job.set_status("started")
    job.save()
    return worker, job


@pytest.mark.parametrize("end", ["goodbye", "expired", "killed"])
def test_a_job_whose_worker_is_gone_is_abandoned(queue: Queue, end: str) -> None:
    worker, job = started(queue)
    assert not jobs.is_settled(jobs.wait(job.id, queue.connection, 1.2))
    if end == "goodbye":
        worker.register_death()
    elif end == "expired":
        queue.connection.delete(worker.key)
    else:
        ended = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(ended, 0)
        queue.connection.hset(worker.key, "pid", ended)
        queue.connection.client_setname("")
    found = jobs.wait(job.id, queue.connection, 60)
    assert (found["status"], found["abandoned"], jobs.is_settled(found)) == ("started", True, True)


def test_a_worker_of_another_machine_is_believed(queue: Queue) -> None:
    worker, job = started(queue)
    ended = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(ended, 0)
    queue.connection.hset(worker.key, mapping={"pid": ended, "hostname": "another"})
    queue.connection.client_setname("")
    assert not jobs.wait(job.id, queue.connection, 1.2)["abandoned"]


def test_a_worker_that_is_connected_lives_wherever_its_process_is(queue: Queue) -> None:
    """Containers on one host may share its name, and none of its processes."""
    worker, job = started(queue)
    ended = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(ended, 0)
    queue.connection.hset(worker.key, "pid", ended)
    queue.connection.client_setname(worker.name)
    assert not jobs.wait(job.id, queue.connection, 1.2)["abandoned"]
    queue.connection.client_setname("")


def test_a_job_that_ends_within_a_second_after_its_worker_is_not_abandoned(queue: Queue) -> None:
    worker, job = started(queue)
    worker.register_death()
    watch = jobs.Watch(job.id, queue.connection)
    assert not watch.look()["abandoned"]
    job.set_status("finished")
    found = watch.wait(60)
    assert (found["status"], found["abandoned"]) == ("finished", False)


def test_what_rq_itself_gave_up_is_abandoned(queue: Queue) -> None:
    _, job = started(queue)
    queue.connection.zadd("rq:wip:default", {f"{job.id}:1": 1})
    StartedJobRegistry(queue=queue).cleanup()
    found = jobs.tree(job.id, queue.connection)
    assert (found["status"], found["abandoned"]) == ("failed", True)


def test_what_depends_on_a_deleted_job_is_abandoned(queue: Queue) -> None:
    parent = queue.enqueue(add, 1, 1)
    below = queue.enqueue(add, 1, 1, depends_on=parent)
    parent.delete()
    found = jobs.wait(below.id, queue.connection, 60)
    assert (found["status"], found["abandoned"]) == ("deferred", True)
