"""The audit."""

from __future__ import annotations

from pgflow.store.admin import act, audit
import moving


def test_clean(pool, db):
    moving.succeed(pool)
    moving.fail(pool)
    moving.die(pool)
    moving.one(pool, delay=60.0)
    cancelled = moving.one(pool)
    pool.together(lambda run: act.cancel(run, cancelled))
    retried = moving.die(pool)
    pool.together(lambda run: act.retry(run, retried))
    moving.enqueue(pool, 3)
    moving.claim(pool, 2)
    assert audit.audit(pool) == []
    assert audit.audit(pool, audit.Scope(newest=2)) == []
    from chaos.checker import check

    print(check(pool.dsn, None))
