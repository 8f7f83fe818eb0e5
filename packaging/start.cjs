/**
 * How hawser is started from its npm package: the bundle beside this file, under the Deno that npm installed with it. Runs in any
 * Node that npm runs in.
 */
"use strict";
const fs = require("node:fs");
const path = require("node:path");

/** Of `deno run`; put here when the package is made. */
const FLAGS = "@FLAGS@";

/** The program and its arguments. Throws when there is no Deno for this machine. */
function command() {
  const main = path.join(__dirname, "bundle", "main.js");
  return [denoPath(), "run", ...FLAGS, main];
}

/** Where the script of Deno's package puts it; that is run here when npm was told to run none. */
function denoPath() {
  const folder = path.dirname(require.resolve("deno/package.json"));
  const ready = path.join(folder, process.platform === "win32" ? "deno.exe" : "deno");
  return fs.existsSync(ready) ? ready : require("deno/install_api.cjs").runInstall();
}

/**
 * Puts a shell script in the place of `bin/hawser.cjs`, so that nobody waits for Node to start before Deno does. Only for where
 * that file itself is started, as npm's link on Unix does: what others make begins with `node`. Throws when it cannot be written.
 */
function replaceLauncher() {
  const file = path.join(__dirname, "bin", "hawser.cjs");
  // Beside it first: the file may be shared with a cache of packages, and another process may do the same.
  const beside = `${file}.${process.pid}`;
  fs.writeFileSync(beside, script(), { mode: 0o755 });
  fs.chmodSync(beside, 0o755);
  fs.renameSync(beside, file);
}

function script() {
  const words = command();
  return [
    "#!/bin/sh",
    "# Written in the place of a script for node, which need not be there.",
    `if [ -x ${quoted(words[0])} ]; then`,
    `  DENO_NO_UPDATE_CHECK=1 exec ${words.map(quoted).join(" ")} "$@"`,
    "fi",
    'echo "hawser: its files have moved: install it again (npm install -g)" >&2',
    "exit 127",
    "",
  ].join("\n");
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

module.exports = { command, replaceLauncher };
