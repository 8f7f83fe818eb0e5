/** Paths as ssh_config writes them, in every flag and variable that takes one; the SSH agent's is in `local_agent_test.ts`. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { commandTest, Home, HOME_FORMS } from "./support.ts";
import { checkClean } from "./support_bad.ts";

for (const form of HOME_FORMS) {
  commandTest(`${form} in paths of files and folders that are made`, async (desk) => {
    await using home = new Home(desk);
    const fine = { code: 0, stdout: "in\n", stderr: "" };
    const rest = ["myworkspace", "echo in"];
    deepStrictEqual(await home.run(["--known-hosts", `${form}/kh`, ...rest]), fine);
    deepStrictEqual(await home.run([`--known-hosts=${form}/kh`, ...rest]), fine);
    const variable = { HAWSER_SSH_KNOWN_HOSTS: `${form}/by-variable` };
    deepStrictEqual(await home.run(rest, variable), fine);
    const config = { CODER_CONFIG_DIR: `${form}/config` };
    deepStrictEqual(await home.run(rest, config), fine);
    deepStrictEqual(await home.run(["--global-config", `${form}/flag`, ...rest]), fine);
    await Deno.mkdir(`${home.folder}/logs`);
    deepStrictEqual(await home.run(["-l", `${form}/logs`, ...rest]), fine);
    deepStrictEqual(await home.run(["--network-info-dir", `${form}/net`, ...rest]), fine);
    for (const name of ["kh", "by-variable", "config", "flag", "net"]) ok(home.has(name), name);
    strictEqual([...Deno.readDirSync(`${home.folder}/logs`)].length, 1);
    ok(![...Deno.readDirSync(".")].some(({ name }) => name === "~" || name.startsWith("$")));
  });

  commandTest(`${form} in paths of files that are read`, async (desk) => {
    await using home = new Home(desk);
    const file = `${form}/none.pem`;
    const rows = [
      { flag: "--client-tls-ca-file", args: [] },
      { flag: "--client-tls-cert-file", args: ["--client-tls-key-file", `${form}/cert.pem`] },
      { flag: "--client-tls-key-file", args: ["--client-tls-cert-file", `${form}/cert.pem`] },
    ];
    await Deno.writeTextFile(`${home.folder}/cert.pem`, "-----BEGIN CERTIFICATE-----");
    for (const { flag, args } of rows) {
      const result = await home.run([...args, flag, file, "myworkspace", "true"]);
      strictEqual(result.code, 1);
      const text = `Cannot read ${flag} "${home.folder}/none.pem": no such file`;
      ok(result.stderr.includes(text), result.stderr);
    }
  });
}

const UNKNOWN: { args: string[]; problem: string }[] = [
  {
    args: ["--known-hosts", "${NOPE}/kh"],
    problem:
      'invalid argument "${NOPE}/kh" for "--known-hosts" flag: environment variable NOPE is not set',
  },
  {
    args: ["-A", "--identity-agent", "$NOPE"],
    problem:
      'invalid argument "$NOPE" for "--identity-agent" flag: environment variable NOPE is not set',
  },
  {
    args: ["-l", "~root/logs"],
    problem: 'invalid argument "~root/logs" for "-l, --log-dir" flag: ' +
      "whose home folder ~root is cannot be known: only ~ is understood",
  },
];

for (const { args, problem } of UNKNOWN) {
  commandTest(`${args.join(" ")} is told as it was typed`, async (desk) => {
    const result = await desk.run([...args, "myworkspace", "true"]);
    strictEqual(result.code, 1);
    checkClean(result);
    ok(result.stderr.includes(problem), result.stderr);
    strictEqual(desk.sandbox.api.requests.length, 0);
  });
}
