#!/usr/bin/env node
/** `hawser` until a faster start took its place (start.cjs), and for good on Windows and under other package managers. */
"use strict";
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const { command, replaceLauncher } = require("../start.cjs");

const [program, ...args] = [...commandOrEnd(), ...process.argv.slice(2)];
// Nobody looks for a newer Deno: it comes with hawser.
const env = { ...process.env, DENO_NO_UPDATE_CHECK: "1" };

if (process.platform !== "win32" && fs.lstatSync(process.argv[1]).isSymbolicLink()) {
  try {
    replaceLauncher();
  } catch (error) {
    // Somebody else's folder: it stays as it is.
    if (!(error instanceof Error)) throw error;
  }
}

/** Not every system has a Deno: people need the reason, and no stack. */
function commandOrEnd() {
  try {
    return command();
  } catch (error) {
    process.stderr.write(`hawser: there is no Deno to start it with: ${error.message}\n`);
    process.exit(127);
  }
}

// Newer versions of Node can become another program: signals, exit code and parent are then its own.
if (process.platform !== "win32" && typeof process.execve === "function") {
  process.execve(program, [program, ...args], env);
}

const child = spawn(program, args, { stdio: "inherit", env });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) {
  // A terminal sends the first to both of us; the others may be meant for whoever was started, and that is us.
  process.on(signal, () => signal === "SIGINT" || child.kill(signal));
}
child.on("error", (error) => {
  process.stderr.write(`hawser: cannot start ${program}: ${error.message}\n`);
  process.exitCode = 127;
});
child.on("exit", (code, signal) => {
  if (signal === null) {
    process.exitCode = code;
    return;
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
