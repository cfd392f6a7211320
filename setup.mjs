#!/usr/bin/env node
/**
 * Makes limn ready to run: npm packages, libtorch, the addon and the TypeScript build, each only
 * where it is missing or out of date. Needs Node >= 20.19 and a C++ compiler, nothing else.
 *
 *   node setup.mjs            in a clone: everything
 *   npx limn setup            in an installed package: libtorch and the addon
 *   node setup.mjs --force    searches for libtorch and builds again
 *
 * This file must parse on any Node, so that an old one is told what is wrong.
 */
import { checkNode } from "./setup/node-version.mjs";

checkNode();
void import("./setup/main.mjs").then(({ main }) => main(process.argv.slice(2)));
