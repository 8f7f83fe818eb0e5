/** Networks of companies, whole sessions through them: proxies, authorities of their own, deployments that moved. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { isAtLeast } from "../../lib/base/version.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { startHttpProxy, startSocksProxy, startTlsFront } from "../io/proxies.ts";
import {
  LOOPBACK,
  LoopbackServer,
  readHead,
  stayDumb,
  tlsFixture,
  writeAll,
} from "../io/support.ts";
import { commandTest, commandTestAtEach, type Desk, FAR_RELEASES } from "./support.ts";
import { checkClean, checkFailure } from "./support_bad.ts";
import { freePort } from "../support/free_port.ts";

const FASTER = 10;
/** A name that only the tests' proxies know. */
const FAR = "http://coder.test";
const portOf = (desk: Desk) => Number(desk.sandbox.url.port);
const HAD_SHELL = { code: 0, stdout: "in\n" };

const LOGINS: readonly (readonly [written: string, meant: string])[] = [
  ["user:abc%G4g", "user:abc%G4g"],
  ["user:100%", "user:100%"],
  ["user:p@ss", "user:p@ss"],
  ["CORP\\user:pw", "CORP\\user:pw"],
  ["us%40er:p%3Aw%23", "us@er:p:w#"],
];

for (const [written, meant] of LOGINS) {
  commandTestAtEach(
    `A session goes through the proxy that ${written} names, all of it`,
    async (desk) => {
      await using proxy = startHttpProxy(portOf(desk));
      const { code, stdout } = await desk.run(["myworkspace", "echo in"], {
        env: { CODER_URL: FAR, HTTP_PROXY: `http://${written}@${LOOPBACK}:${proxy.port}` },
      });
      deepStrictEqual({ code, stdout }, HAD_SHELL);
      ok(proxy.asked.every((asked) => asked.startsWith(`${meant}@`)), proxy.asked.join("\n"));
      const rest = proxy.asked.map((asked) => asked.slice(meant.length + 1));
      ok(rest.some((asked) => asked.startsWith("GET http://coder.test/api/v2/")), "no API");
      // The coordinator and the relay; where JSON is spoken, the relay map has a socket of its own.
      const sockets = isAtLeast(desk.sandbox.settings.version, "v2.8.0") ? 2 : 3;
      strictEqual(rest.filter((asked) => asked === "coder.test:80").length, sockets);
    },
    {},
    FAR_RELEASES,
  );
}

commandTest("A session goes through a SOCKS proxy, by TLS too", async (desk) => {
  await using front = startTlsFront(portOf(desk));
  await using proxy = startSocksProxy(front.port);
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/ca.pem`, tlsFixture("ca.crt"));
  const { code, stdout } = await desk.run(["myworkspace", "echo in"], {
    env: {
      CODER_URL: "https://coder.test",
      https_proxy: `socks5h://${LOOPBACK}:${proxy.port}`,
      SSL_CERT_FILE: `${folder}/ca.pem`,
    },
  });
  await Deno.remove(folder, { recursive: true });
  deepStrictEqual({ code, stdout }, HAD_SHELL);
  ok(proxy.asked.length >= 3 && proxy.asked.every((asked) => asked === "coder.test:443"));
});

for (
  const bad of ["socks4://", "http://user:pa#ss@", "http://user:p/w@", "http://user:p?w@", "htp://"]
) {
  commandTest(
    `A proxy that cannot be used, ${bad}, is told and nobody is dialled`,
    async (desk) => {
      await using proxy = startHttpProxy(portOf(desk));
      for (const variable of ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]) {
        const result = await desk.run(["myworkspace", "true"], {
          env: { CODER_URL: FAR, [variable]: `${bad}${LOOPBACK}:${proxy.port}` },
        });
        strictEqual(result.code, 1);
        checkClean(result);
        match(
          result.stderr,
          new RegExp(`\nerror: Cannot use the proxy of ${variable}: .*accepted: `),
        );
        ok(!/pa#ss|p\/w|p\?w/.test(result.stderr));
      }
      deepStrictEqual(proxy.asked, []);
      strictEqual(desk.sandbox.api.requests.length, 0);
    },
  );
}

commandTest("A proxy that refuses the connection is named", async (desk) => {
  const port = await freePort();
  for (const url of ["https://coder.test", FAR]) {
    const result = await desk.run(["myworkspace", "true"], {
      env: { CODER_URL: url, ALL_PROXY: `http://user:p@ss@${LOOPBACK}:${port}` },
      clock: new HurryingClock(FASTER),
    });
    strictEqual(result.code, 1);
    checkClean(result);
    const where = `coder\\.test:${url === FAR ? 80 : 443}`;
    match(
      result.stderr,
      new RegExp(
        `error: Cannot reach ${url}: dial tcp ${where}: proxy 127\\.0\\.0\\.1:${port} refused the ` +
          "connection\nCheck the proxy that ALL_PROXY names, and NO_PROXY\n$",
      ),
    );
    ok(!result.stderr.includes("p@ss"));
  }
});

commandTest(
  "A proxy that lets the API through and nothing else is named where the session waits",
  async (desk) => {
    await using forwarder = startHttpProxy(portOf(desk));
    await using picky = new LoopbackServer(async (conn) => {
      const head = await readHead(conn);
      if (head.startsWith("CONNECT ")) {
        const refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        await writeAll(conn, new TextEncoder().encode(refusal));
        return;
      }
      const onward = await Deno.connect({ hostname: LOOPBACK, port: forwarder.port });
      await writeAll(onward, new TextEncoder().encode(head));
      await Promise.allSettled([
        conn.readable.pipeTo(onward.writable),
        onward.readable.pipeTo(conn.writable),
      ]);
    });
    await using run = desk.start(["myworkspace", "true"], {
      env: { CODER_URL: FAR, HTTP_PROXY: `http://${LOOPBACK}:${picky.port}` },
      clock: new HurryingClock(FASTER),
    });
    const result = await run.result();
    checkClean(result);
    ok(result.code !== 0);
    match(result.stderr, /proxy 127\.0\.0\.1:\d+ answered 403 to CONNECT coder\.test:80/);
  },
);

/** A folder with the authority of the tests' servers in it, as a file and in a folder. */
async function withAuthority(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/certs`);
    await Deno.writeTextFile(`${folder}/ca.pem`, `# Corp\r\n${tlsFixture("ca.crt")}`);
    await Deno.writeTextFile(`${folder}/certs/ca.pem`, tlsFixture("ca.crt"));
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

commandTest(
  "An authority of the system's is trusted by API, coordinator and relay alike",
  async (desk) => {
    await using front = startTlsFront(portOf(desk));
    const url = `https://${LOOPBACK}:${front.port}`;
    await withAuthority(async (folder) => {
      const ways: readonly (readonly [flags: readonly string[], env: Record<string, string>])[] = [
        [[], { SSL_CERT_FILE: `${folder}/ca.pem` }],
        [[], { SSL_CERT_DIR: `${folder}/certs` }],
        [["--client-tls-ca-file", `${folder}/ca.pem`], {}],
      ];
      for (const [flags, env] of ways) {
        const { code, stdout } = await desk.run([...flags, "myworkspace", "echo in"], {
          env: { CODER_URL: url, ...env },
        });
        deepStrictEqual({ code, stdout }, HAD_SHELL);
      }
      const result = await desk.run(["myworkspace", "true"], {
        env: { CODER_URL: url, SSL_CERT_FILE: `${folder}/typo.pem`, SSL_CERT_DIR: `${folder}` },
      });
      await Deno.remove(`${folder}/ca.pem`);
      strictEqual(result.code, 0, result.stderr);
      checkFailure(
        await desk.run(["myworkspace", "true"], {
          env: { CODER_URL: url, SSL_CERT_FILE: `${folder}/typo.pem`, SSL_CERT_DIR: `${folder}` },
        }),
        [
          `error: Cannot reach ${url}: dial tcp ${LOOPBACK}:${front.port}: certificate signed by unknown authority ` +
          `(asked: Mozilla's list, ${folder}/typo.pem (no such file or directory), ${folder})`,
          "If the deployment uses its own authority, install that in the system's store, or give its " +
          "certificate with --client-tls-ca-file or SSL_CERT_FILE",
        ],
      );
    });
  },
);

for (
  const [name, words] of [
    ["expired", "certificate has expired"],
    ["future", "certificate is not valid yet"],
  ] as const
) {
  commandTest(`A clock by which the ${words} is what one is told to look at`, async (desk) => {
    const cert = tlsFixture(`${name}.crt`);
    await using front = new LoopbackServer(stayDumb, { cert, key: tlsFixture("self.key") });
    const ca = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(ca, cert);
      const url = `https://${LOOPBACK}:${front.port}`;
      checkFailure(
        await desk.run(["--client-tls-ca-file", ca, "myworkspace", "true"], {
          env: { CODER_URL: url },
        }),
        [
          `error: Cannot reach ${url}: dial tcp ${LOOPBACK}:${front.port}: ${words}`,
          "Look at the date and time of this machine; where they are right, the server needs a new certificate",
        ],
      );
    } finally {
      await Deno.remove(ca);
    }
  });
}

commandTest("A deployment that moved is told as that, and gets no secret there", async (desk) => {
  for (const status of [301, 302, 307, 308]) {
    await using front = new LoopbackServer(async (conn) => {
      const head = await readHead(conn);
      const path = / (\S+) /.exec(head)?.[1] ?? "/";
      const answer = `HTTP/1.1 ${status} Moved\r\nLocation: ${desk.sandbox.url.origin}${path}\r\n` +
        "Content-Length: 0\r\n\r\n";
      await writeAll(conn, new TextEncoder().encode(answer));
    });
    const from = `http://${LOOPBACK}:${front.port}`;
    const to = desk.sandbox.url.origin;
    checkFailure(
      await desk.run(["myworkspace", "true"], { env: { CODER_URL: from } }),
      [
        `error: The deployment ${from} has moved to ${to}: use that URL`,
        `Log in there with 'hawser login ${to}', or give it with --url or CODER_URL and a token of it`,
      ],
    );
  }
  strictEqual(desk.sandbox.api.requests.length, 0);
});

commandTest("A saved session is not sent to another deployment", async (desk) => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/url`, "https://coder.corp.example\n");
  await Deno.writeTextFile(`${folder}/session`, desk.sandbox.token);
  const env = { CODER_CONFIG_DIR: folder, CODER_SESSION_TOKEN: "" };
  const { origin } = desk.sandbox.url;
  checkFailure(await desk.run(["myworkspace", "true"], { env }), [
    `error: The saved session is for https://coder.corp.example, not for ${origin}`,
    `Give a token of ${origin} with --token or CODER_SESSION_TOKEN, or log in with 'hawser login ${origin}'`,
  ]);
  strictEqual(desk.sandbox.api.requests.length, 0);
  await Deno.writeTextFile(`${folder}/url`, `${origin}/`);
  const { code, stdout } = await desk.run(["myworkspace", "echo in"], { env });
  deepStrictEqual({ code, stdout }, HAD_SHELL);
  await Deno.remove(folder, { recursive: true });
});

commandTest(
  "A URL without its scheme, or with the wrong one, is told with the right one",
  async (desk) => {
    const where = `${LOOPBACK}:${portOf(desk)}`;
    const result = await desk.run(["myworkspace", "true"], { env: { CODER_URL: where } });
    checkFailure(result, [
      `error: Cannot reach https://${where}: dial tcp ${where}: it does not speak TLS`,
      `Without encryption it is http://${where}: give that URL if it is meant (--url, CODER_URL, login)`,
    ]);
  },
);

commandTest("A token that no header can carry is told before any request", async (desk) => {
  const env = { CODER_SESSION_TOKEN: `${desk.sandbox.token}\u200b` };
  checkFailure(await desk.run(["myworkspace", "true"], { env }), [
    "error: The session token of CODER_SESSION_TOKEN holds characters that no token has",
    "Copy it again: a space, line end or invisible character came along",
  ]);
  strictEqual(desk.sandbox.api.requests.length, 0);
});
