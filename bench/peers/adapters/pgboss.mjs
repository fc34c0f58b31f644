// pg-boss: `node pgboss.mjs [setup]`.
import { PgBoss } from "pg-boss";
import { answer, note, settings, URL } from "./child.mjs";

const QUEUE = "nothing";
const { batch, workers, bulk, pool } = settings({ batch: 500, workers: 2, bulk: 10000, pool: 10 });
const boss = new PgBoss({ connectionString: URL, max: pool, useListenNotify: true, schedule: false });
boss.on("error", (error) => console.error(error));

await answer({
  async setup() {
    await boss.start();
    await boss.createQueue(QUEUE, { notify: true });
  },
  open: () => boss.start(),
  async one(first, jobs) {
    for (let n = first; n < first + jobs; n++) await boss.send(QUEUE, { n });
  },
  async many(first, jobs) {
    for (let start = first; start < first + jobs; start += bulk) {
      const rows = [];
      for (let n = start; n < Math.min(start + bulk, first + jobs); n++) rows.push({ data: { n } });
      await boss.insert(QUEUE, rows);
    }
  },
  async start() {
    const options = { batchSize: batch, localConcurrency: workers, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
    await boss.work(QUEUE, options, async (some) => {
      for (const job of some) note(job.data.n);
    });
  },
  stop: () => boss.offWork(QUEUE),
  close: () => boss.stop({ graceful: false }),
});
