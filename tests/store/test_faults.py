"""Each kind of error that a database raises is taken for what it means: tried again, told, or the statement's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import claim, ended, finish, put, states
from pgflow.errors import DatabaseUnavailableError, SchemaMismatchError
from pgflow.store.statement import Query, Statement, all_rows, nothing

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]
# a sequence counts what is rolled back, too; the state is raised by the first so many calls
BOOM = """
create sequence boom_calls;
create function boom(state text, times bigint) returns bigint language plpgsql as $$
begin
  if nextval('boom_calls') <= times then raise exception 'boom' using errcode = state; end if;
  return pg_backend_pid();
end $$;
"""
ALWAYS = 1_000


@pytest.fixture(autouse=True)
def boom(db: Db) -> None:
    db.execute(BOOM)


def ask(state: str, times: int, *, repeatable: bool = True) -> Statement[Any]:
    query = Query("boom", "select boom(%(state)s, %(times)s)", repeatable=repeatable)
    return Statement(query, {"state": state, "times": times}, all_rows)


def pid(pool: Pool) -> int:
    return int(pool.run(Statement(Query("pid", "select pg_backend_pid()"), {}, all_rows))[0][0])


def calls(db: Db) -> int:
    row = db.execute("select last_value from boom_calls").fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_what_was_ended_for_others_is_tried_again_even_where_it_is_not_repeatable(pool: Pool, state: str) -> None:
    assert pool.run(ask(state, 3, repeatable=False))


def test_what_is_ended_for_others_again_and_again_is_told_and_is_not_the_statements_fault(pool: Pool, db: Db) -> None:
    with pytest.raises(DatabaseUnavailableError, match="for the sake of others") as caught:
        pool.run(ask("40P01", ALWAYS))
    assert calls(db) == 6
    assert not caught.value.in_doubt


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", "cannot do this for now"),  # disk full
        ("53200", "cannot do this for now"),  # out of memory
        ("53400", "cannot do this for now"),
        ("58030", "cannot do this for now"),  # input or output
        ("57014", "took too long"),
        ("55P03", "locked"),
    ],
)
def test_what_the_database_cannot_do_for_now_is_told_once_and_the_connection_is_kept(
    pool: Pool, db: Db, state: str, words: str
) -> None:
    before = pid(pool)
    with pytest.raises(DatabaseUnavailableError, match=words) as caught:
        pool.run(ask(state, ALWAYS))
    assert calls(db) == 1
    assert not caught.value.in_doubt
    assert pid(pool) == before


@pytest.mark.parametrize("state", ["25006", "57P03", "57P05", "25P03"])
def test_a_connection_that_is_of_no_use_any_more_is_thrown_away_and_nothing_is_in_doubt(
    pool: Pool, db: Db, state: str
) -> None:
    before = pid(pool)
    [(after,)] = pool.run(ask(state, 1, repeatable=False))
    assert after != before
    db.execute("alter sequence boom_calls restart")
    with pytest.raises(DatabaseUnavailableError) as caught:
        pool.run(ask(state, ALWAYS))
    assert calls(db) == 2
    assert not caught.value.in_doubt


@pytest.mark.parametrize("state", ["57P01", "57P02", "08006", "08P01", "40003"])
def test_a_lost_connection_leaves_in_doubt_what_cannot_be_repeated(pool: Pool, db: Db, state: str) -> None:
    before = pid(pool)
    with pytest.raises(DatabaseUnavailableError) as caught:
        pool.run(ask(state, ALWAYS, repeatable=False))
    assert caught.value.in_doubt
    assert calls(db) == 1
    assert pid(pool) != before
    db.execute("alter sequence boom_calls restart")
    assert pool.run(ask(state, 1))


@pytest.mark.parametrize("state", ["26000", "42P05"])
def test_where_prepared_statements_do_not_last_the_store_goes_on_without_and_says_so_once(
    pool: Pool, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert pool.run(ask(state, 1, repeatable=False))
    rows = pool.run(Statement(Query("prepared", "select count(*) from pg_prepared_statements"), {}, all_rows))
    assert rows == [(0,)]
    assert caplog.text.count("going on without them") == 1


@pytest.mark.parametrize("state", ["22003", "23505", "42501", "XX000", "54000"])
def test_what_the_statement_is_at_fault_for_is_raised_as_it_is(pool: Pool, db: Db, state: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        pool.run(ask(state, ALWAYS))
    assert caught.value.sqlstate == state
    assert calls(db) == 1


@pytest.mark.parametrize("state", ["42P01", "3F000", "42703", "42883"])
def test_what_lacks_its_schema_says_how_to_get_it(pool: Pool, state: str) -> None:
    with pytest.raises(SchemaMismatchError, match="pgflow migrate"):
        pool.run(ask(state, ALWAYS))


def test_a_transaction_is_run_again_where_its_connection_was_lost_before_the_commit(pool: Pool, db: Db) -> None:
    assert pool.together(lambda run: run(ask("57P01", 1)))
    db.execute("alter sequence boom_calls restart")
    with pytest.raises(DatabaseUnavailableError) as caught:
        pool.together(lambda run: run(ask("57P01", ALWAYS)))
    assert not caught.value.in_doubt


def test_a_transaction_whose_commit_has_no_answer_is_in_doubt_and_not_run_again(pool: Pool, db: Db) -> None:
    # raised by the commit itself, which is where a deferred trigger runs
    db.execute(
        "create table t (n int);"
        "create function late() returns trigger language plpgsql as "
        "$$ begin perform boom('57P01', 1000); return null; end $$;"
        "create constraint trigger late after insert on t deferrable initially deferred for each row "
        "execute function late()"
    )
    with pytest.raises(DatabaseUnavailableError) as caught:
        pool.together(lambda run: run(Statement(Query("t", "insert into t values (1)"), {}, nothing)))
    assert caught.value.in_doubt
    assert calls(db) == 1


@pytest.mark.parametrize("state", ["53100", "25006", "40P01", "57P01", "55P03"])
def test_a_finish_that_meets_a_sick_database_says_try_again_and_stores_the_same_outcome_then(
    pool: Pool, db: Db, state: str
) -> None:
    [job_id] = put(pool)
    [job] = claim(pool)
    db.execute(
        f"create function sick() returns trigger language plpgsql as "
        f"$$ begin perform boom('{state}', 7); return new; end $$;"
        "create trigger sick before insert on pgflow.attempts for each row execute function sick()"
    )
    dropped = None
    for _ in range(8):
        try:
            dropped = finish(pool, [ended(job)])
            break
        except DatabaseUnavailableError:
            continue
    assert dropped == set()
    assert states(db)[job_id] == "succeeded"
