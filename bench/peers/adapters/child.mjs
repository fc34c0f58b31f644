// What the adapters in JavaScript share, as child.py has it: commands in, answers out, and the ledger.
import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

export const URL = process.env.BENCH_URL;
const jobs = Number(process.env.BENCH_JOBS ?? 0);
const every = Number(process.env.BENCH_STAMP_EVERY ?? 1);
const stampsFrom = Math.ceil(jobs / 8) * 8;
const ledger = Buffer.alloc(stampsFrom + 8 * (Math.floor((jobs - 1) / every) + 1 || 0));
let ran = 0;
let until = Infinity;

/** The settings of a system; BENCH_TUNE, as JSON, overrides them to find out which are best. */
export function settings(best) {
  return { ...best, ...JSON.parse(process.env.BENCH_TUNE ?? "{}") };
}

/** Count a run. The ledger is written once enough have run, and at the stop: node maps no files. */
export function note(n) {
  ledger[n]++;
  if (n % every === 0) ledger.writeBigUInt64LE(process.hrtime.bigint(), stampsFrom + 8 * (n / every));
  if (++ran === until) keep();
}

function keep() {
  const file = openSync(process.env.BENCH_LEDGER, "r+");
  writeSync(file, ledger, 0, ledger.length, 0);
  closeSync(file);
}

function say(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

async function paced(adapter, { first, jobs: count, rate }) {
  const sent = [];
  const began = process.hrtime.bigint();
  for (let number = 0; number < count; number++) {
    const wait = (number * 1000) / rate - Number(process.hrtime.bigint() - began) / 1e6;
    if (wait > 0) await sleep(wait);
    const asked = process.hrtime.bigint();
    await adapter.one(first + number, 1);
    sent.push([Number(asked), Number(process.hrtime.bigint())]);
  }
  return { sent };
}

/** Answer one command a line until there are no more; the last argument `setup` only makes the tables. */
export async function answer(adapter) {
  if (process.argv.at(-1) === "setup") {
    await adapter.setup();
    await adapter.close();
    return;
  }
  await adapter.open();
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: what, ...given } = JSON.parse(line);
    if (what === "paced") {
      say(await paced(adapter, given));
      continue;
    }
    const began = process.hrtime.bigint();
    if (what === "start") {
      until = given.until;
      await adapter.start();
    } else if (what === "stop") {
      await adapter.stop();
      keep();
    } else {
      await adapter[what](given.first, given.jobs);
    }
    say({ seconds: Number(process.hrtime.bigint() - began) / 1e9 });
  }
  await adapter.close();
  process.exit(0);
}
