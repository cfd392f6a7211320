/**
 * transformers.js embedding files of pictures, through its own processor and onnxruntime-node.
 * $LIMN_BENCH_TRANSFORMERS_JS names a folder where `npm install @huggingface/transformers` was run.
 */
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const home = process.env["LIMN_BENCH_TRANSFORMERS_JS"] ?? "";
const require = createRequire(path.join(path.resolve(home), "package.json"));
const found = require.resolve("@huggingface/transformers");
const { AutoProcessor, CLIPVisionModelWithProjection, RawImage, env } = await import(
  pathToFileURL(found).href
);
env.allowRemoteModels = false;

/** @type {any} */
let state;

/** @param {{ folder: string, files: string[], batch_size: number }} command */
async function prepare({ folder, files, batch_size }) {
  env.localModelPath = `${path.dirname(folder)}/`;
  const name = path.basename(folder);
  const model = await CLIPVisionModelWithProjection.from_pretrained(name, { dtype: "fp32" });
  const processor = await AutoProcessor.from_pretrained(name);
  state = { model, processor, files, batchSize: batch_size };
  return { "transformers.js": env.version };
}

async function measure() {
  const { model, processor, files, batchSize } = state;
  const before = process.cpuUsage();
  const start = performance.now();
  const rows = [];
  for (let at = 0; at < files.length; at += batchSize) {
    /** @type {string[]} */
    const part = files.slice(at, at + batchSize);
    const images = await Promise.all(part.map((file) => RawImage.read(file)));
    const { image_embeds: embeds } = await model(await processor(images));
    rows.push(...embeds.normalize(2, -1).tolist());
  }
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const sample = [...rows[0].slice(0, 8), ...rows[rows.length - 1].slice(0, 8)];
  return { seconds, processorSeconds: (user + system) / 1e6, sample };
}

/** @type {Record<string, (command: any) => Promise<unknown>>} */
const commands = { prepare, measure };
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = await commands[command.run]?.(command);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
