// Drives a worker with the JavaScript package kafka-connect-client, offsets above all. The first
// argument is its address.

const assert = require("node:assert");
const { setTimeout: sleep } = require("node:timers/promises");
const { KafkaConnectClient } = require("kafka-connect-client");

const NAME = "by-javascript";
const CONFIG = {
  "connector.class": "FileStreamSource",
  "tasks.max": "1",
  file: "in.txt",
  topic: "wk-by-javascript",
};

const { protocol, hostname, port } = new URL(process.argv[2]);
const client = new KafkaConnectClient({
  protocol: protocol.replace(":", ""),
  host: hostname,
  port: Number(port),
});
const connector = client.connector(NAME);

async function until(what, isIt) {
  const end = Date.now() + 60_000;
  for (;;) {
    const { data } = await what();
    if (isIt(data)) return data;
    assert(Date.now() < end, JSON.stringify(data));
    await sleep(50);
  }
}

async function state(expected) {
  const isIt = ({ connector, tasks }) =>
    [connector, ...tasks].every((it) => it.state === expected);
  await until(() => connector.getStatus(), isIt);
  console.log(NAME, expected);
}

const refused = (asked) =>
  asked.then(
    () => assert.fail("it was taken"),
    (error) => error.response.status,
  );

async function main() {
  const made = await client.createConnector(NAME, CONFIG);
  assert.strictEqual(made.status, 201);
  assert.strictEqual(made.data.type, "source");
  await state("RUNNING");
  await connector.pause();
  await state("PAUSED");
  await connector.resume();
  await state("RUNNING");
  await connector.restart();

  const partition = { filename: "in.txt" };
  const position = (offset) => ({ offsets: [{ partition, offset }] });
  await until(
    () => connector.getOffsets(),
    ({ offsets }) => offsets[0]?.offset?.position === 4,
  );
  assert.strictEqual(await refused(connector.resetOffsets()), 400, "it runs");
  await connector.stop();
  await state("STOPPED");
  const changed = position({ position: 2 });
  const altered = await connector.alterOffsets(changed.offsets);
  assert.match(altered.data.message, /have been altered successfully/);
  assert.deepStrictEqual((await connector.getOffsets()).data, changed);
  // It reads its second line once more.
  await connector.resume();
  await until(
    () => connector.getOffsets(),
    ({ offsets }) => offsets[0]?.offset?.position === 4,
  );
  await connector.stop();
  await state("STOPPED");
  const reset = await connector.resetOffsets();
  assert.match(reset.data.message, /have been reset successfully/);
  assert.deepStrictEqual((await connector.getOffsets()).data, { offsets: [] });

  assert.strictEqual((await connector.delete()).status, 204);
  assert.strictEqual(await refused(connector.get()), 404);
  console.log(NAME, "is gone");
}

main().catch((error) => {
  console.error(error.response?.data ?? error);
  process.exit(1);
});
