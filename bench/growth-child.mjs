#!/usr/bin/env node
/**
 * Prints the seconds and the peak bytes of one measure as JSON, in a process of its own: a peak never
 * falls. Started by growth.ts with the measure, the size and the folder that was prepared for it.
 */
import path from "node:path";
import { createJiti } from "jiti";

const [name, size, folder] = process.argv.slice(2);
const jiti = createJiti(import.meta.url);
const { measure } = await jiti.import(path.join(import.meta.dirname, "growth-data.ts"));
console.log(JSON.stringify(await measure(name, Number(size), folder)));
process.exit(0);
