/** The file on the disk: whatever happens, it is the old one or the new one, and everything around the section is as it was. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { ConfigDesk, HAS_SSH, sshOptionsOf } from "./config_ssh_support.ts";

const OTHERS = "Host other\r\n\tUser \xfc\t\r\n\n  # no line end";
const others = Uint8Array.from(OTHERS, (character) => character.charCodeAt(0));
const IS_UNIX = Deno.build.os !== "windows";

Deno.test("config-ssh leaves every byte around the section, run after run, and keeps the file as it was", async () => {
  await using desk = await ConfigDesk.open();
  await desk.put(others);
  const first = await desk.run(["--yes"]);
  strictEqual(first.stderr, `The file as it was: "${desk.path}.hawser-backup"\n`);
  const once = await Deno.readFile(desk.path);
  deepStrictEqual(once.subarray(0, others.length), others);
  deepStrictEqual(await Deno.readFile(`${desk.path}.hawser-backup`), others);
  const both = Uint8Array.from([...once, ...others]);
  await desk.put(both);
  await desk.run(["--yes", "-o", "User=x"]);
  const twice = await Deno.readFile(desk.path);
  deepStrictEqual(twice.subarray(0, others.length), others);
  deepStrictEqual(twice.subarray(-others.length), others);
  await desk.run(["--yes"]);
  deepStrictEqual(await Deno.readFile(desk.path), both, "and back");
  deepStrictEqual(
    [...Deno.readDirSync(`${desk.home}/.ssh`)].map(({ name }) => name).toSorted(),
    ["config", "config.hawser-backup"],
  );
});

Deno.test({
  name: "config-ssh follows links and keeps the mode of what they lead to",
  ignore: !IS_UNIX,
  fn: async () => {
    await using desk = await ConfigDesk.open();
    await Deno.mkdir(`${desk.home}/.ssh`, { mode: 0o700 });
    await Deno.mkdir(`${desk.home}/dotfiles`);
    const real = `${desk.home}/dotfiles/ssh_config`;
    await Deno.writeTextFile(real, "Host a\n");
    await Deno.chmod(real, 0o640);
    await Deno.symlink("../dotfiles/middle", desk.path);
    await Deno.symlink(real, `${desk.home}/dotfiles/middle`);
    strictEqual((await desk.run(["--yes"])).code, 0);
    ok((await Deno.lstat(desk.path)).isSymlink);
    ok((await Deno.lstat(`${desk.home}/dotfiles/middle`)).isSymlink);
    strictEqual(((await Deno.lstat(real)).mode ?? 0) & 0o777, 0o640);
    ok((await Deno.readTextFile(real)).startsWith("Host a\n\n# ------------START"));
    // A link to what is not there yet.
    await Deno.remove(real);
    strictEqual((await desk.run(["--yes"])).code, 0);
    ok((await Deno.lstat(desk.path)).isSymlink);
    ok((await Deno.readTextFile(real)).startsWith("# ------------START"));
  },
});

interface Unusable {
  readonly name: string;
  readonly make: (desk: ConfigDesk) => Promise<void>;
  readonly says: RegExp;
}

const UNUSABLE: readonly Unusable[] = [
  {
    name: "a folder",
    make: (desk) => Deno.mkdir(desk.path, { recursive: true }),
    says: /error: read ssh config failed: read .*config: is a directory\n/,
  },
  {
    name: "a circle of links",
    make: async (desk) => {
      await Deno.mkdir(`${desk.home}/.ssh`);
      await Deno.symlink("config", desk.path);
    },
    says: /error: read ssh config failed: open .*config: too many levels of symbolic links/i,
  },
  {
    name: "a pipe",
    make: async (desk) => {
      await Deno.mkdir(`${desk.home}/.ssh`);
      await new Deno.Command("mkfifo", { args: [desk.path] }).output();
    },
    says: /error: read ssh config failed: read .*config: is no regular file\n/,
  },
  {
    name: "a huge file",
    make: async (desk) => {
      await desk.put("");
      await Deno.truncate(desk.path, 17 * 1024 * 1024);
    },
    says: /error: read ssh config failed: read .*config: 17825792 bytes exceed 16777216\n/,
  },
  {
    name: "a file in UTF-16",
    make: (desk) => desk.put(Uint8Array.of(0xff, 0xfe, 0x48, 0)),
    says: /error: Malformed config: it is UTF-16, which OpenSSH does not read\nSave it as UTF-8/,
  },
];

for (const { name, make, says } of UNUSABLE) {
  Deno.test({
    name: `config-ssh: ${name} in the place of the file is told, and left`,
    ignore: !IS_UNIX,
    fn: async () => {
      await using desk = await ConfigDesk.open();
      await make(desk);
      const before = await Deno.lstat(desk.path);
      const result = await desk.run(["--yes"]);
      strictEqual(result.code, 1);
      match(result.stderr, says);
      strictEqual((await Deno.lstat(desk.path)).ino, before.ino);
    },
  });
}

Deno.test("config-ssh: a disk that is full leaves the old file whole", async () => {
  await using desk = await ConfigDesk.open();
  await desk.put("Host a\n");
  const result = await desk.run(["--yes"], {
    files: {
      replaceBytes: (path) =>
        Promise.reject(new HostError("no-space", `write ${path}: no space left on device`)),
    },
  });
  strictEqual(result.code, 1);
  ok(result.stderr.includes("error: write ssh config failed: write "), result.stderr);
  ok(result.stderr.includes("no space left on device"), result.stderr);
  strictEqual(await desk.text(), "Host a\n");
});

Deno.test("config-ssh: what was edited while the question waited is not lost", async () => {
  await using desk = await ConfigDesk.open();
  await desk.put("Host a\n");
  let reads = 0;
  const result = await desk.run([], {
    stdin: "yes\n",
    files: {
      readBytes: (path) =>
        Promise.resolve(new TextEncoder().encode(`Host a\n# ${path} ${reads++}\n`)),
    },
  });
  strictEqual(result.code, 1);
  ok(result.stderr.includes(`error: "${desk.path}" has changed meanwhile\n`), result.stderr);
  strictEqual(await desk.text(), "Host a\n");
});

Deno.test("config-ssh writes what the deployment says, checked, and says what of it reaches this machine", async () => {
  await using desk = await ConfigDesk.open();
  Object.assign(desk.sandbox.settings, {
    hostnamePrefix: "team.",
    hostnameSuffix: "",
    sshConfigOptions: {
      ServerAliveInterval: "9",
      ConnectTimeout: "",
      ForwardAgent: "yes",
      LogLevel: "DEBUG",
    },
  });
  const result = await desk.run(["--yes", "-o", "LogLevel=FATAL"]);
  strictEqual(
    result.stderr,
    "The deployment's SSH options let workspaces use what is on this machine: ForwardAgent yes\n",
  );
  ok(
    (await desk.text()).includes(
      "Host team.*\n\tLogLevel=FATAL\n\tForwardAgent yes\n\tLogLevel DEBUG\n" +
        "\tServerAliveInterval 9\n\tStrictHostKeyChecking=no\n\tUserKnownHostsFile=/dev/null\n" +
        "\tLogLevel ERROR\n\tProxyCommand ",
    ),
    await desk.text(),
  );
  ok(result.stdout.endsWith("\t$ ssh team.myworkspace\n"), result.stdout);
  if (HAS_SSH) {
    const options = await sshOptionsOf(desk.path, "team.myworkspace");
    strictEqual(options.get("loglevel"), "FATAL");
    strictEqual(options.get("serveraliveinterval"), "9");
    strictEqual(
      options.get("proxycommand"),
      `${desk.proxy} ssh --stdio --ssh-host-prefix team. %h`,
    );
    strictEqual((await sshOptionsOf(desk.path, "other.example")).get("proxycommand"), undefined);
  }
});

const HOSTILE: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ["a suffix of two lines", { hostnameSuffix: "coder\nHost *" }, "workspace hostname suffix"],
  ["a prefix of two lines", { hostnamePrefix: "coder.\nHost *" }, "workspace hostname prefix"],
  ["every host", { hostnameSuffix: "*" }, "glob"],
  ["a program", { sshConfigOptions: { '"ProxyCommand"': "id" } }, "is invalid"],
];

Deno.test("config-ssh: a deployment whose settings are no plain lines gets nothing", async (t) => {
  for (const [name, settings, says] of HOSTILE) {
    await t.step(name, async () => {
      await using desk = await ConfigDesk.open();
      const safe = "Host safe\n\tHostName safe.example.com\n";
      await desk.put(safe);
      Object.assign(desk.sandbox.settings, settings);
      const result = await desk.run(["--yes"]);
      strictEqual(result.code, 1);
      ok(result.stderr.includes("error: invalid ssh config from coderd: "), result.stderr);
      ok(result.stderr.includes(says), result.stderr);
      strictEqual(await desk.text(), safe);
    });
  }
});

Deno.test("config-ssh takes a server before v0.20 for what it was", async () => {
  await using desk = await ConfigDesk.open();
  desk.sandbox.settings.sshConfigOptions = undefined;
  strictEqual((await desk.run(["--yes"])).code, 0);
  const text = await desk.text();
  ok(text.includes("\nHost coder.*\n"));
  ok(!text.includes("Match"));
});

Deno.test("config-ssh --no-wildcard: all pages of workspaces, sorted, and none whose name is a line", async () => {
  const names = Array.from({ length: 230 }, (_, i) => `ws-${(i * 7) % 230}`);
  await using desk = await ConfigDesk.open({
    workspaces: [...names, "evil\n\tProxyCommand id"].map((name) => ({ name, agents: [] })),
  });
  const result = await desk.run(["--yes", "--no-wildcard", "--ssh-host-prefix="]);
  strictEqual(result.code, 0, result.stderr);
  const hosts = [...(await desk.text()).matchAll(/^Host (.*)$/gm)].map(([, host]) => host);
  deepStrictEqual(hosts, names.map((name) => `${name}.coder`).toSorted());
  ok(!(await desk.text()).includes("evil"));
  if (HAS_SSH) {
    strictEqual(
      (await sshOptionsOf(desk.path, "ws-5.coder")).get("proxycommand"),
      `${desk.proxy} ssh --stdio --hostname-suffix coder %h`,
    );
  }
});

Deno.test("config-ssh without workspaces says how to get one, and names no host with --no-wildcard", async () => {
  await using desk = await ConfigDesk.open({ workspaces: [] });
  const result = await desk.run(["--yes", "--no-wildcard"]);
  deepStrictEqual(result, {
    code: 0,
    stderr: "",
    stdout:
      `Updated "${desk.path}"\nYou don't have any workspaces yet, try creating one with:\n\n` +
      "\t$ coder create <workspace>\n",
  });
  ok(!/^\s*(?:Host|Match|ProxyCommand)/m.test(await desk.text()), await desk.text());
  if (HAS_SSH) await sshOptionsOf(desk.path, "anything");
});

Deno.test("config-ssh says what the deployment answers, and writes nothing", async () => {
  await using desk = await ConfigDesk.open();
  const rows: readonly (readonly [route: string, status: number, says: string])[] = [
    ["GET /deployment/ssh", 500, "Trace=[fetch coderd config failed]"],
    ["GET /deployment/ssh", 401, "Trace=[fetch coderd config failed]"],
    ["GET /workspaces", 403, "Trace=[fetch workspaces]"],
  ];
  for (const [route, status, says] of rows) {
    desk.sandbox.api.override(route, failureAnswer(status, "Not today."));
    const result = await desk.run(["--yes", "--no-wildcard"]);
    desk.sandbox.api.restore(route);
    deepStrictEqual(result.code, 1);
    ok(result.stderr.includes(says), result.stderr);
    ok(result.stderr.includes("Not today."), result.stderr);
  }
});

Deno.test("config-ssh says when PATH leads to another program, in the official words", async () => {
  await using desk = await ConfigDesk.open();
  const bin = `${desk.home}/bin`;
  const run = async (program: readonly string[], path = `/nowhere:${bin}`) =>
    (await desk.run(["-n"], { program, env: { PATH: path } })).stderr.replaceAll("\r", "");
  strictEqual(
    (await run(["/opt/hawser"], "/nowhere")).split("Dry run")[0],
    "WARN: The current executable path does not match the executable path found in $PATH.\n" +
      "  | This may cause issues connecting to your workspace via SSH.\n" +
      '  | \tCurrent executable path: "/opt/hawser"\n  | \tExecutable path in $PATH: ""\n\n',
  );
  ok((await run(["/opt/hawser"])).includes(`  | \tExecutable path in $PATH: "${bin}/hawser"\n`));
  ok(!(await run([desk.program])).includes("WARN"));
  await Deno.mkdir(`${desk.home}/other`);
  await Deno.symlink(desk.program, `${desk.home}/other/hawser`);
  ok(!(await run([desk.program], `${desk.home}/other`)).includes("WARN"), "a link to it");
  ok(!(await run(["/usr/bin/deno", "run", "/x/main.js"])).includes("WARN"));
  ok((await run(["/x/_npx/1/deno", "run", "/x/main.js"])).includes("WARN: npx keeps"));
});

Deno.test("config-ssh for Windows: slashes for ProxyCommand, cmd.exe's own tongue for Match", async () => {
  await using desk = await ConfigDesk.open();
  const rows: readonly (readonly [program: string[], exists: string, proxy: string])[] = [
    [
      ["C:\\Coder\\hawser.exe"],
      "C:\\Coder\\hawser.exe connect exists %h",
      "C:/Coder/hawser.exe --global-config",
    ],
    [
      ["C:\\Program Files\\Coder\\bin\\coder.exe"],
      "for /f %%a in ('powershell.exe -Command [char]34') do @cmd.exe /c " +
      "%%aC:\\Program Files\\Coder\\bin\\coder.exe%%a connect exists %h",
      '"C:/Program Files/Coder/bin/coder.exe" --global-config',
    ],
    [
      ["C:\\Program Files\\deno.exe", "run", "C:\\Users\\Jo Smith\\main.js"],
      "for /f %%a in ('powershell.exe -Command [char]34') do @cmd.exe /c " +
      "%%a%%aC:\\Program Files\\deno.exe%%a run %%aC:\\Users\\Jo Smith\\main.js%%a connect exists %h%%a",
      '"C:/Program Files/deno.exe" run "C:/Users/Jo Smith/main.js" --global-config',
    ],
  ];
  for (const [program, exists, proxy] of rows) {
    const result = await desk.run(["-n"], { os: "windows", program, env: { PATH: "" } });
    strictEqual(result.code, 0, result.stderr);
    ok(result.stdout.includes(`+Match host *.coder !exec "${exists}"\n`), result.stdout);
    ok(result.stdout.includes(`+\tProxyCommand ${proxy} `), result.stdout);
  }
  for (const path of ["C:\\a\tb\\hawser.exe", "C:\\R&D\\hawser.exe", "C:\\100%\\hawser.exe"]) {
    const result = await desk.run(["-n"], { os: "windows", program: [path] });
    strictEqual(result.code, 1, path);
    ok(result.stderr.includes("escape coder binary for Match exec failed: path must not contain"));
  }
});
