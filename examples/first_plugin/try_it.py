"""What a user of the plugin does: nothing but install it."""

from pgflow import App, JobRejected

app = App("phone")


@app.task(queue="calls", max_attempts=1)
def ring(number: str) -> None:
    raise ConnectionError("nobody answers")


if __name__ == "__main__":
    try:
        print("enqueued", ring.enqueue("555-0100").id)
    except JobRejected as refusal:
        print(refusal)
    app.close()
