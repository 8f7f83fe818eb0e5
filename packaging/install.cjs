/** Run by npm when the package was installed, if it may: what the first start would do, with the rights of whoever installs. */
"use strict";
const { replaceLauncher } = require("./start.cjs");

const { npm_config_user_agent: agent = "" } = process.env;
if (process.platform !== "win32" && agent.startsWith("npm/")) {
  try {
    replaceLauncher();
  } catch (error) {
    process.stdout.write(`hawser starts by way of node: ${error.message}\n`);
  }
}
