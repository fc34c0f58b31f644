"""An order and its receipt in one transaction: both are there, or neither, with psycopg and with SQLAlchemy."""

from __future__ import annotations

import anyio
import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from pgflow import App

app = App("orders")
sent: list[tuple[int, str]] = []


@app.task(queue="mail", max_attempts=5, timeout=30)
async def send_receipt(order_id: int, *, to: str) -> None:
    sent.append((order_id, to))


def buy_with_psycopg(order_id: int, *, fail: bool = False) -> None:
    with psycopg.connect(app.db.dsn) as conn:  # commits at the end of the block, rolls back where it raises
        conn.execute("insert into orders (id) values (%s)", [order_id])
        send_receipt.options(conn=conn).enqueue(order_id, to="a@example.com")
        if fail:
            raise RuntimeError("the card was declined")


def buy_with_sqlalchemy(order_id: int, *, fail: bool = False) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(app.db.dsn))
    with engine.connect() as connection, Session(connection) as session, session.begin():
        session.execute(text("insert into orders (id) values (:id)"), {"id": order_id})
        send_receipt.options(conn=session).enqueue(order_id, to="b@example.com")
        if fail:
            raise RuntimeError("the card was declined")
    engine.dispose()


def main() -> None:
    with psycopg.connect(app.db.dsn) as conn:
        conn.execute("create table if not exists orders (id bigint primary key)")
        conn.execute("truncate orders")

    for buy, good, bad in ((buy_with_psycopg, 1, 2), (buy_with_sqlalchemy, 3, 4)):
        buy(good)
        try:
            buy(bad, fail=True)
        except RuntimeError as error:
            print(f"order {bad} failed: {error}")

    anyio.run(app.worker(queues=["mail"], burst=True).run)

    with psycopg.connect(app.db.dsn) as conn:
        orders = [row[0] for row in conn.execute("select id from orders order by id")]
    print(f"orders: {orders}")
    for order_id, to in sorted(sent):
        print(f"receipt of order {order_id} to {to}")
    app.close()


if __name__ == "__main__":
    main()
