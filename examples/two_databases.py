"""A queue spread over two databases by customer, for when one primary is full: an app for each database."""

from __future__ import annotations

import os
from zlib import crc32

import anyio
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow import App, Task

# a worker process takes one of them: pgflow worker -A two_databases:north
north = App("north", dsn=os.environ.get("NORTH_DATABASE_URL"))
south = App("south", dsn=os.environ.get("SOUTH_DATABASE_URL"))
charged: list[tuple[str, str, int]] = []


def declare_charge(app: App) -> Task[[str, int], None]:
    @app.task(queue="orders")
    async def charge(customer: str, cents: int) -> None:
        charged.append((app.name, customer, cents))

    return charge


CHARGES = (declare_charge(north), declare_charge(south))


def charge_of(customer: str) -> Task[[str, int], None]:
    """Give the task in the database of this customer: where its own rows are, an enqueue can join their transaction."""
    return CHARGES[crc32(customer.encode()) % len(CHARGES)]


async def work_both() -> None:
    async with anyio.create_task_group() as group:
        for app in (north, south):
            group.start_soon(app.worker(queues=["orders"], burst=True).run)


def main() -> None:
    beside = f"south_of_{conninfo_to_dict(north.db.dsn)['dbname']}"
    with psycopg.connect(north.db.dsn, autocommit=True) as conn:  # here on one server, in earnest on two
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(beside)))
        try:
            south.configure(database_url=make_conninfo(north.db.dsn, dbname=beside), migrate_on_startup=True)
            for cents, customer in enumerate(("ada", "grace", "edsger", "barbara"), start=100):
                charge_of(customer).enqueue(customer, cents)
            anyio.run(work_both)
            south.close()
        finally:
            conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(beside)))
    for database, customer, cents in sorted(charged):
        print(f"{database}: {customer} paid {cents}")
    north.close()


if __name__ == "__main__":
    main()
