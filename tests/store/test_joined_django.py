"""Joining Django's transactions, in a process of its own: its settings are configured once for all."""

from __future__ import annotations

import subprocess
import sys

import psycopg

DJANGO = """
import json, sys
import django, psycopg
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

url = sys.stdin.read()
parts = conninfo_to_dict(url)
names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
known = {names[key]: value for key, value in parts.items() if key in names}
base = {"ENGINE": "django.db.backends.postgresql", **known}
bound = {**base, "OPTIONS": {"server_side_binding": True}}
lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(DATABASES={"default": base, "bound": bound, "lite": lite}, USE_TZ=True)
django.setup()
from django.core.cache import cache
from django.db import connection, connections, transaction
from pgflow.errors import ArgumentError
from pgflow.store.joined import fetch
from pgflow.store.statement import Query

enqueue = Query("test", '''
insert into notes (body)
select value from json_array_elements_text(cast(cast(%(jobs)s as text) as json))
returning body
''')
jobs = json.dumps(["é", "it's 100% :of $1"], ensure_ascii=False)

def committed():
    with psycopg.connect(url) as conn:
        return conn.execute("select count(*) from notes").fetchone()[0]

def refused(conn, words):
    try:
        fetch(conn, enqueue, jobs)
    except ArgumentError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)

for conn in (connection, connections["default"], connections["bound"]):
    before = committed()
    with transaction.atomic(using=conn.alias):
        assert [row[0] for row in fetch(conn, enqueue, jobs)] == json.loads(jobs)
        transaction.set_rollback(True, using=conn.alias)
        refused(conn, "failed transaction")
    assert committed() == before, "rolled back"
    with transaction.atomic(using=conn.alias):
        assert len(fetch(conn, enqueue, jobs)) == 2
        assert committed() == before, "not before the block ends"
    assert committed() == before + 2, "committed"
    fetch(conn, enqueue, jobs)
    assert committed() == before + 4, "autocommit"
    with transaction.atomic(using=conn.alias):
        try:
            conn.cursor().execute("select 1/0")
        except django.db.DataError:
            refused(conn, "failed transaction")
            transaction.set_rollback(True, using=conn.alias)

refused(connections["lite"], "to sqlite")
refused(cache, "to no database")
refused(connections, "one connection of it")
refused("default", "is a str")
for conn in connections.all():
    conn.close()
"""


def test_jobs_join_atomic_blocks_and_other_databases_are_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("create table notes (body text)")
    command = [sys.executable, "-W", "error", "-c", DJANGO]
    ran = subprocess.run(command, input=database_url, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
