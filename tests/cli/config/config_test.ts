import assert from "node:assert/strict";
import { UserError } from "../../../lib/base/errors.ts";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { createClient } from "../../../lib/cli/config/client.ts";
import { type Configuration, readConfiguration } from "../../../lib/cli/config/config.ts";
import { defaultConfigDir } from "../../../lib/cli/config/folder.ts";
import { GLOBAL_FLAGS, globalOptionsOf } from "../../../lib/cli/grammar/flags_global.ts";
import { HostError } from "../../../lib/base/host.ts";
import { VERSION } from "../../../lib/cli/version.ts";
import { SILENT_LOG } from "../../../lib/base/log.ts";
import { certificatesIn } from "../../../lib/base/pem.ts";
import { tlsFixture } from "../../io/support.ts";
import { FakeHost } from "../../support/fake_host.ts";

async function read(host: FakeHost, args: string[] = []): Promise<Configuration> {
  const parsed = parseArgs(args, {
    flags: GLOBAL_FLAGS,
    env: (name) => host.env(name),
    command: "hawser ssh",
  });
  return await readConfiguration(host, globalOptionsOf(parsed));
}

const DIR = "/home/alice/.config/coderv2";
const LOGGED_IN = {
  [`${DIR}/url`]: "https://coder.example.com\n",
  [`${DIR}/session`]: " token-1 \n",
};

Deno.test("VERSION is that of deno.json", async () => {
  const text = await Deno.readTextFile(new URL("../../../deno.json", import.meta.url));
  assert.equal(VERSION, JSON.parse(text).version);
});

Deno.test("defaultConfigDir() is where the official command writes (docs/protocol/ssh.md#configuration)", () => {
  const dir = (options: object) => defaultConfigDir(new FakeHost(options));
  assert.equal(dir({}), DIR);
  assert.equal(dir({ env: { XDG_CONFIG_HOME: "/x/" } }), "/x/coderv2");
  assert.equal(
    dir({ os: "darwin", homeDir: "/Users/a" }),
    "/Users/a/Library/Application Support/coderv2",
  );
  assert.equal(
    dir({ os: "windows", env: { APPDATA: "C:\\Users\\a\\AppData\\Roaming" } }),
    "C:\\Users\\a\\AppData\\Roaming\\coderv2",
  );
  assert.equal(dir({ homeDir: null }), undefined);
});

Deno.test("readConfiguration() takes flag, then environment, then file (docs/protocol/ssh.md#configuration)", async () => {
  const fromFiles = await read(new FakeHost({ files: LOGGED_IN }));
  assert.equal(fromFiles.url.href, "https://coder.example.com/");
  assert.equal(fromFiles.token, "token-1");
  const env = { CODER_URL: "https://env.example", CODER_SESSION_TOKEN: "token-2" };
  const fromEnv = await read(new FakeHost({ files: LOGGED_IN, env }));
  assert.equal(fromEnv.url.href, "https://env.example/");
  assert.equal(fromEnv.token, "token-2");
  const fromFlags = await read(new FakeHost({ files: LOGGED_IN, env }), [
    "--url=flag.example",
    "--token=t3",
  ]);
  assert.equal(fromFlags.url.href, "https://flag.example/");
  assert.equal(fromFlags.token, "t3");
  const other = await read(new FakeHost({ files: { "/o/url": "u.example", "/o/session": "t4" } }), [
    "--global-config",
    "/o",
  ]);
  assert.equal(other.token, "t4");
});

Deno.test("readConfiguration() without URL says how to log in, without token goes on (docs/protocol/ssh.md#exit-codes-and-errors)", async () => {
  await assert.rejects(read(new FakeHost()), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(
      error.message,
      "You are not logged in. Try logging in using 'hawser login <url>'.",
    );
    assert.match(error.hint ?? "", /CODER_URL/);
    return true;
  });
  await assert.rejects(read(new FakeHost({ homeDir: null })), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.hint ?? "", /No home folder/);
    return true;
  });
  const noToken = await read(new FakeHost({ env: { CODER_URL: "https://x.example" } }));
  assert.equal(noToken.token, undefined);
});

Deno.test("readConfiguration() touches no folder when URL and token are given", async () => {
  const host = new FakeHost({ env: { CODER_URL: "https://x.example", CODER_SESSION_TOKEN: "t" } });
  host.files.broken.set(DIR, new HostError("permission-denied", "permission denied"));
  assert.equal((await read(host)).token, "t");
});

Deno.test("readConfiguration() tells of files that cannot be read", async () => {
  const host = new FakeHost({ files: LOGGED_IN });
  host.files.broken.set(`${DIR}/session`, new HostError("not-permitted", "needs --allow-read"));
  await assert.rejects(
    read(host),
    /Cannot read the configuration file .*session": needs --allow-read/,
  );
});

Deno.test("--header and --header-command (docs/protocol/ssh.md#global-flags)", async (t) => {
  const url = { CODER_URL: "https://x.example" };
  await t.step("both, in order", async () => {
    const host = new FakeHost({ env: url });
    host.programs.set("sh", () => Promise.resolve({ stdout: "C=3\r\n\nD=a=b\n" }));
    const found = await read(host, ["--header", "A=1,B=2", "--header-command", "print headers"]);
    assert.deepEqual(found.headers, [["A", "1"], ["B", "2"], ["C", "3"], ["D", "a=b"]]);
    assert.deepEqual(host.runs.map(({ program, args, options }) => [program, args, options.env]), [
      ["sh", ["-c", "print headers"], { CODER_URL: "https://x.example" }],
    ]);
  });
  await t.step("Windows uses its own shell", async () => {
    const host = new FakeHost({ os: "windows", env: url });
    host.programs.set("cmd.exe", () => Promise.resolve({ stdout: "" }));
    await read(host, ["--header-command=x"]);
    assert.deepEqual(host.runs[0]?.args, ["/c", "x"]);
  });
  await t.step("a command that fails", async () => {
    const host = new FakeHost({ env: url });
    host.programs.set("sh", () => Promise.resolve({ code: 3, stderr: "secret" }));
    await assert.rejects(read(host, ["--header-command=false"]), {
      message: "create header transport: failed to run [sh -c false]: exit status 3",
    });
  });
  await t.step("no shell", async () => {
    const host = new FakeHost({ env: url });
    await assert.rejects(
      read(host, ["--header-command=x"]),
      /failed to run \[sh -c x\]: sh: no such program/,
    );
  });
  for (const bad of ["novalue", "a b=1", "A=1\r\nB: 2", "=x"]) {
    await t.step(`refuses ${JSON.stringify(bad)}`, async () => {
      const host = new FakeHost({ env: url });
      const quoted = `"${bad}"`;
      await assert.rejects(
        read(host, ["--header", quoted]),
        /^UserError: create header transport: /,
      );
    });
  }
});

Deno.test("--client-tls-* (docs/protocol/ssh.md#global-flags)", async () => {
  const env = { CODER_URL: "https://x.example" };
  const pem = (what: string) => `-----BEGIN ${what}-----\n`;
  const ca = tlsFixture("ca.crt");
  const files = {
    "/ca": `\ufeff# Corp\r\n${ca.replaceAll("\n", "\r\n")}\n${pem("CERTIFICATE")}!`,
    "/cert": pem("CERTIFICATE"),
    "/key": pem("KEY"),
    "/no": "x",
  };
  const host = () => new FakeHost({ env, files });
  assert.deepEqual(
    (await read(host(), [
      "--client-tls-ca-file=/ca",
      "--client-tls-cert-file=/cert",
      "--client-tls-key-file=/key",
    ])).network,
    {
      caCertificates: certificatesIn(ca).join(""),
      clientCertificate: { certificate: files["/cert"], key: files["/key"] },
    },
  );
  await assert.rejects(read(host(), ["--client-tls-cert-file=/cert"]), {
    message: "--client-tls-cert-file and --client-tls-key-file must be specified together",
  });
  await assert.rejects(read(host(), ["--client-tls-ca-file=/gone"]), /"\/gone": no such file/);
  await assert.rejects(read(host(), ["--client-tls-ca-file=/no"]), /no PEM block/);
  await assert.rejects(
    read(host(), ["--client-tls-ca-file=/key"]),
    /^UserError: Cannot use --client-tls-ca-file "\/key": it holds no certificate$/,
  );
});

Deno.test("The keychain of macOS is read, and only there (docs/protocol/ssh.md#configuration)", async (t) => {
  const dir = "/home/alice/Library/Application Support/coderv2";
  const files = {
    [`${dir}/url`]: "https://Coder.Example.com:8443",
    [`${dir}/session`]: "from-file",
  };
  const secret = btoa(JSON.stringify({
    "coder.example.com:8443": { coder_url: "x", api_token: "from-keychain" },
    "other": { coder_url: "y", api_token: "z" },
  }));
  const mac = (stdout: string, code = 0) => {
    const host = new FakeHost({ os: "darwin", files });
    host.programs.set("/usr/bin/security", () => Promise.resolve({ code, stdout }));
    return host;
  };
  await t.step("found", async () => {
    const host = mac(secret + "\n");
    assert.equal((await read(host)).token, "from-keychain");
    assert.deepEqual(host.runs[0]?.args, [
      "find-generic-password",
      "-s",
      "coder-v2-credentials",
      "-a",
      "coder-login-credentials",
      "-w",
    ]);
  });
  await t.step(
    "nothing there: the file",
    async () => assert.equal((await read(mac("", 44))).token, "from-file"),
  );
  await t.step(
    "nonsense there: the file",
    async () => assert.equal((await read(mac("%%"))).token, "from-file"),
  );
  await t.step("switched off", async () => {
    assert.equal((await read(mac(secret), ["--use-keyring=false"])).token, "from-file");
  });
  await t.step("not for a folder of one's own", async () => {
    const host = mac(secret);
    assert.equal(
      (await read(host, ["--global-config=/o", "--url=https://coder.example.com:8443"])).token,
      undefined,
    );
    assert.equal(host.runs.length, 0);
  });
  await t.step("not on Linux", async () => {
    const host = new FakeHost({ files: LOGGED_IN });
    assert.equal((await read(host)).token, "token-1");
    assert.equal(host.runs.length, 0);
  });
});

Deno.test("A saved session goes to the deployment that it was saved for, and to no other", async (t) => {
  const saved = (url: string) => ({ [`${DIR}/url`]: url, [`${DIR}/session`]: "saved" });
  const same: readonly (readonly [url: string, named: string])[] = [
    ["https://coder.example.com", "https://coder.example.com"],
    ["https://coder.example.com", "coder.example.com"],
    ["https://coder.example.com/", "https://Coder.Example.com:443/some/path?x"],
    ["http://10.0.0.1:3000", "http://10.0.0.1:3000/"],
    ["http://coder.example.com", "https://coder.example.com"],
    ["https://u:p@coder.example.com", "https://coder.example.com"],
  ];
  for (const [url, named] of same) {
    await t.step(`${url}, ${named}`, async () => {
      const host = new FakeHost({ files: saved(url) });
      assert.equal((await read(host, ["--url", named])).token, "saved");
      const env = { CODER_URL: named };
      assert.equal((await read(new FakeHost({ files: saved(url), env }))).token, "saved");
    });
  }
  const others: readonly (readonly [url: string, named: string])[] = [
    ["https://coder.corp.example", "http://127.0.0.1:3000"],
    ["https://coder.example.com", "http://coder.example.com"],
    ["https://coder.example.com", "https://coder.example.com:8443"],
    ["https://coder.example.com", "https://x.coder.example.com"],
    ["https://coder.example.com", "https://coder.example.com.evil.example"],
    ["https://coder.example.com", "https://coder.example.com@evil.example"],
    ["http://coder.example.com:3000", "https://coder.example.com:3000"],
    ["http://coder.example.com:3000", "https://coder.example.com"],
  ];
  for (const [url, named] of others) {
    await t.step(`${url}, not ${named}`, async () => {
      const refusal = (error: unknown) => {
        assert.ok(error instanceof UserError);
        const [own, other] = [new URL(url).origin, new URL(named).origin];
        assert.equal(error.message, `The saved session is for ${own}, not for ${other}`);
        assert.match(error.hint ?? "", /--token or CODER_SESSION_TOKEN/);
        return true;
      };
      await assert.rejects(read(new FakeHost({ files: saved(url) }), ["--url", named]), refusal);
      const env = { CODER_URL: named };
      await assert.rejects(read(new FakeHost({ files: saved(url), env })), refusal);
      const own = { CODER_URL: named, CODER_SESSION_TOKEN: "own" };
      assert.equal((await read(new FakeHost({ files: saved(url), env: own }))).token, "own");
    });
  }
  await t.step("a session without a URL", async () => {
    const host = new FakeHost({ files: { [`${DIR}/session`]: "by-hand" } });
    assert.equal((await read(host, ["--url=https://x.example"])).token, "by-hand");
  });
  await t.step("a URL without a session", async () => {
    const host = new FakeHost({ files: { [`${DIR}/url`]: "https://coder.example.com" } });
    assert.equal((await read(host, ["--url=https://x.example"])).token, undefined);
  });
});

Deno.test("A keychain's token is not sent in the clear unless it was saved so", async () => {
  const dir = "/home/alice/Library/Application Support/coderv2";
  const secret = btoa(JSON.stringify({
    "coder.example.com": { coder_url: "coder.example.com", api_token: "kept" },
    "lab:3000": { coder_url: "lab:3000", api_token: "lab" },
  }));
  const token = async (savedUrl: string, named: string) => {
    const host = new FakeHost({ os: "darwin", files: { [`${dir}/url`]: savedUrl } });
    host.programs.set("/usr/bin/security", () => Promise.resolve({ stdout: secret }));
    return (await read(host, ["--url", named])).token;
  };
  assert.equal(await token("https://coder.example.com", "https://coder.example.com"), "kept");
  assert.equal(await token("https://coder.example.com", "http://coder.example.com"), undefined);
  assert.equal(await token("http://coder.example.com", "http://coder.example.com"), "kept");
  assert.equal(await token("https://coder.example.com", "http://lab:3000"), "lab");
});

Deno.test("A token is freed of what surrounds it and refused for what no header can carry, naming its source", async (t) => {
  const token = "abcdefghij-0123456789012345678901";
  const url = "https://x.example";
  const sources = {
    "--token": (text: string) => read(new FakeHost(), ["--url", url, "--token", text]),
    "CODER_SESSION_TOKEN": (text: string) =>
      read(new FakeHost({ env: { CODER_URL: url, CODER_SESSION_TOKEN: text } })),
    [`"${DIR}/session"`]: (text: string) =>
      read(new FakeHost({ files: { [`${DIR}/url`]: url, [`${DIR}/session`]: text } })),
  };
  for (const [source, readToken] of Object.entries(sources)) {
    await t.step(source, async () => {
      for (const around of [`${token}\n`, `\ufeff${token}\r\n`, ` ${token}\t`, `\n\n${token}`]) {
        assert.equal((await readToken(around)).token, token);
      }
      const inside = [
        "\u200b",
        "\ufeff",
        "\n",
        "\r",
        "\0",
        " ",
        "\u00e9",
        "\u00a0",
        "\u{1f511}",
        "\x7f",
      ];
      for (const bad of inside.map((character) => `abcdefghij${character}-0123456789`)) {
        await assert.rejects(readToken(bad), (error) => {
          assert.ok(error instanceof UserError);
          assert.equal(
            error.message,
            `The session token of ${source} holds characters that no token has`,
          );
          return true;
        });
      }
      await assert.rejects(readToken(`\u200b${token}`), /no token has/);
    });
  }
});

Deno.test("A header that cannot be read is told without its value", async () => {
  const rows = [
    ["Authorization: Bearer SECRET", "Authorization:[hidden]", "split header"],
    ["Authorization: Basic SECRET==", "[hidden]", "is no valid header"],
    ["SECRET", "[hidden]", "split header"],
    ["X Y=SECRET", "X Y=[hidden]", "is no valid header"],
    ["X=SECRET\x01", "X", "holds a line end"],
  ];
  for (const [bad = "", shown, problem = ""] of rows) {
    for (const source of ["--header", "--header-command"]) {
      const host = new FakeHost({ env: { CODER_URL: "https://x.example" } });
      host.programs.set("sh", () => Promise.resolve({ stdout: `${bad}\n` }));
      const args = source === "--header" ? ["--header", `"${bad}"`] : ["--header-command", "x"];
      await assert.rejects(read(host, args), ({ message }: Error) => {
        assert.ok(message.includes(`"${shown}"`) && message.includes(problem), message);
        assert.ok(!message.includes("SECRET"), message);
        return true;
      });
    }
  }
});

Deno.test("--header says nothing of the message itself (net/http reqWriteExcludeHeader)", async () => {
  const env = { CODER_URL: "https://x.example" };
  const words = ["Host=x", "content-length=5", "Transfer-Encoding=chunked", "Trailer=y", "A=1"];
  const found = await read(new FakeHost({ env }), words.flatMap((word) => ["--header", word]));
  assert.deepEqual(found.headers, [["A", "1"]]);
});

Deno.test("--header values go out as UTF-8, and say which flag holds what no header can", async () => {
  const env = { CODER_URL: "https://x.example" };
  const found = await read(new FakeHost({ env }), ["--header", "X-A= \u00e9\u200b\tz"]);
  assert.deepEqual(found.headers, [["X-A", " \xc3\xa9\xe2\x80\x8b\tz"]]);
  await assert.rejects(read(new FakeHost({ env }), ["--header", "X-A=SECRET\x01"]), {
    message: 'create header transport: the value of header "X-A" of --header holds a line end or ' +
      "another control character",
  });
  const host = new FakeHost({ env });
  host.programs.set("sh", () => Promise.resolve({ stdout: "X-A=SECRET\x7f\n" }));
  await assert.rejects(
    read(host, ["--header-command=x"]),
    /"X-A" of --header-command holds a line end/,
  );
});

Deno.test("createClient() puts it together", async () => {
  const host = new FakeHost({ files: LOGGED_IN });
  const configuration = await read(host, ["--header=X-A=1"]);
  const client = createClient(host, { configuration, command: "hawser ssh", log: SILENT_LOG });
  assert.deepEqual(client.authHeaders(), [
    ["User-Agent", `hawser/${VERSION} (linux/amd64; hawser ssh)`],
    ["Coder-Session-Token", "token-1"],
    ["X-A", "1"],
  ]);
});
