#!/usr/bin/env node
/**
 * Prints the peak of one objective's memory in bytes, in a process of its own: a peak never falls.
 * Started by chunked-losses.ts with the objective, the batch size and the threads.
 */
import path from "node:path";
import { createJiti } from "jiti";

const [name, batchSize, threads] = process.argv.slice(2);
const jiti = createJiti(import.meta.url);
const torch = await jiti.import(path.join(import.meta.dirname, "../dist/src/public/torch.js"));
torch.setThreadCount(Number(threads));
const { peakMemory } = await jiti.import(path.join(import.meta.dirname, "losses-data.ts"));
console.log(peakMemory(name, Number(batchSize)));
