// Parses on any Node that knows modules: no newer syntax here.

/** Leaves with one clear line where this Node is too old. */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(
    `Expected Node >= 20.19 but this is ${version}; ` +
      "install a current one from https://nodejs.org (or: nvm install 22) and try again.",
  );
  process.exit(1);
}
