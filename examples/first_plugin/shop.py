from pgflow import App, JobError

app = App("shop")


@app.task(max_attempts=1)
def charge(order: int) -> None:
    raise JobError("CARD_DECLINED", f"order {order}: the bank says no")
