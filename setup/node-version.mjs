// Parses on any Node that knows modules: no newer syntax here.

/** Leaves with one clear line where this Node is too old. */
export function checkNode(version = process.versions.node) {
  const parts = version.split(".").map(Number);
  if (parts[0] > 20 || (parts[0] === 20 && parts[1] >= 19)) return;
  console.error(
    `Expected Node >= 20.19 but this is ${version}; ` +
      "install a current one from https://nodejs.org (or: nvm install 22) and try again.",
  );
  process.exit(1);
}
