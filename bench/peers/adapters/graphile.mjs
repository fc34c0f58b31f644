// graphile-worker: `node graphile.mjs [setup]`.
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { answer, note, settings, URL } from "./child.mjs";

const quiet = new Logger(() => () => {});
const { concurrent, localQueue, batchDelay, bulk } = settings({ concurrent: 50, localQueue: 2000, batchDelay: 0, bulk: 10000 });
const utils = await makeWorkerUtils({ connectionString: URL, logger: quiet });
let runner;

await answer({
  setup: () => utils.migrate(),
  open: () => utils.withPgClient((client) => client.query("select 1")),
  async one(first, jobs) {
    for (let n = first; n < first + jobs; n++) await utils.addJob("nothing", { n });
  },
  async many(first, jobs) {
    for (let start = first; start < first + jobs; start += bulk) {
      const specs = [];
      for (let n = start; n < Math.min(start + bulk, first + jobs); n++) specs.push({ identifier: "nothing", payload: { n } });
      await utils.addJobs(specs);
    }
  },
  async start() {
    runner = await run({
      preset: {
        worker: {
          connectionString: URL,
          concurrentJobs: concurrent,
          maxPoolSize: concurrent + 1,
          localQueue: { size: localQueue },
          completeJobBatchDelay: batchDelay,
          failJobBatchDelay: batchDelay,
          preparedStatements: true,
          logger: quiet,
        },
      },
      taskList: { nothing: async (payload) => note(payload.n) },
      crontab: "",
      noHandleSignals: true,
    });
  },
  stop: () => runner.stop(),
  close: () => utils.release(),
});
