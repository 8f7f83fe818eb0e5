/** Whole sessions through proxies that people have: API, coordinator and relay alike, and one clear line where none goes through. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { LOOPBACK } from "../io/support.ts";
import { testWith } from "../live/check.ts";
import { HAD_SHELL, openCompany } from "./company.ts";
import {
  FAR_HOST,
  missingFor,
  missingForInterception,
  type RealProxy,
  startInterceptingSquid,
  startMicrosocks,
  startNginx,
  startSquid,
} from "./real_proxies.ts";
import { freePort } from "../support/free_port.ts";

/** All of these stand in the log; the log. */
async function expectAsked(proxy: RealProxy, wanted: readonly RegExp[]): Promise<string[]> {
  const missing = (lines: readonly string[]) =>
    wanted.filter((pattern) => !lines.some((line) => pattern.test(line)));
  const asked = await proxy.asked((lines) => missing(lines).length === 0);
  deepStrictEqual(missing(asked), [], asked.join("\n"));
  return asked;
}

testWith("squid: with its credentials all goes through tunnels", missingFor("squid"), async () => {
  await using company = await openCompany();
  const { desk, folder, url } = company;
  await using squid = await startSquid({ tlsPorts: [company.tlsPort] });
  const { code, stdout, stderr } = await desk.run(["myworkspace", "echo in"], {
    env: { CODER_URL: url, HTTPS_PROXY: squid.urlWithLogin, SSL_CERT_FILE: `${folder}/ca.crt` },
  });
  deepStrictEqual({ code, stdout }, HAD_SHELL, stderr);
  // API, coordinator and relay.
  const tunnel = `tester CONNECT ${FAR_HOST}:${company.tlsPort} 200`;
  // Whoever knocked, to see whether it listens, asked for nothing.
  const asked = (lines: readonly string[]) => lines.filter((line) => !/^- - error:/.test(line));
  const lines = asked(await squid.asked((all) => asked(all).length >= 3));
  ok(lines.length >= 3 && lines.every((line) => line === tunnel), lines.join("\n"));
});

testWith(
  "squid: no credentials, and wrong ones, are told in one line",
  missingFor("squid"),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url, tlsPort } = company;
    await using squid = await startSquid({ tlsPorts: [tlsPort] });
    const wrong = squid.url.replace("://", "://tester:wr%20ong@");
    for (
      const [proxy, words] of [
        [squid.url, "wants a user name and password (407)"],
        [wrong, "refused the user name or password (407)"],
      ]
    ) {
      const result = await desk.run(["myworkspace", "true"], {
        env: { CODER_URL: url, HTTPS_PROXY: proxy ?? "", SSL_CERT_FILE: `${folder}/ca.crt` },
      });
      strictEqual(result.code, 1);
      strictEqual(
        result.stderr.slice(result.stderr.indexOf("error: ")),
        `error: Cannot reach ${url}: dial tcp ${FAR_HOST}:${tlsPort}: proxy ${LOOPBACK}:${squid.port} ${words}\n` +
          "Check the proxy that HTTPS_PROXY names, and NO_PROXY\n",
      );
    }
  },
);

testWith("squid: a port that it does not tunnel to is named", missingFor("squid"), async () => {
  await using company = await openCompany();
  const { desk, folder, url, tlsPort } = company;
  await using squid = await startSquid({ tlsPorts: [await freePort()] });
  const result = await desk.run(["myworkspace", "true"], {
    env: { CODER_URL: url, HTTPS_PROXY: squid.urlWithLogin, SSL_CERT_FILE: `${folder}/ca.crt` },
  });
  strictEqual(result.code, 1);
  match(
    result.stderr,
    new RegExp(`proxy ${LOOPBACK}:${squid.port} answered 403 to CONNECT coder\\.test:${tlsPort}\n`),
  );
});

testWith(
  "squid: where it looks into TLS, its authority is trusted by every way of naming it",
  missingForInterception(),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url } = company;
    await using squid = await startInterceptingSquid();
    const authority = `${folder}/intercept.crt`;
    const ways: readonly (readonly [flags: readonly string[], env: Record<string, string>])[] = [
      [["--client-tls-ca-file", authority], {}],
      [[], { CODER_CLIENT_TLS_CA_FILE: authority }],
      [[], { SSL_CERT_FILE: authority }],
    ];
    for (const [flags, env] of ways) {
      const { code, stdout, stderr } = await desk.run([...flags, "myworkspace", "echo in"], {
        env: { CODER_URL: url, HTTPS_PROXY: squid.url, ...env },
      });
      deepStrictEqual({ code, stdout }, HAD_SHELL, stderr);
    }
    // The relay let nobody in by `Upgrade: DERP`: the websocket was taken without being told to.
    await expectAsked(squid, [/GET \S+\/derp 4\d\d$/, /GET \S+\/derp 101$/]);
    const result = await desk.run(["myworkspace", "true"], {
      env: { CODER_URL: url, HTTPS_PROXY: squid.url, SSL_CERT_FILE: `${folder}/ca.crt` },
    });
    strictEqual(result.code, 1);
    match(result.stderr, /: certificate signed by unknown authority \(asked: /);
  },
);

testWith(
  "squid: where it lets the API alone through, a shell goes through the web terminal, and nothing else does",
  missingForInterception(),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url } = company;
    await using squid = await startInterceptingSquid({ apiOnly: true });
    const env = {
      CODER_URL: url,
      HTTPS_PROXY: squid.url,
      CODER_CLIENT_TLS_CA_FILE: `${folder}/intercept.crt`,
    };
    await using shell = desk.start(["myworkspace"], {
      env,
      terminal: { columns: 91, rows: 27 },
    });
    await shell.stdout.waitFor(/[$#] $/);
    await shell.type("stty size; exit 7\r");
    const { code, stdout, stderr } = await shell.result();
    strictEqual(code, 7, stderr);
    match(stdout, /\n27 91\r?\n/);
    match(
      stderr,
      /^Cannot reach the relay "[^"]*": answered status 403\nThe workspace network cannot be reached from here, so this shell goes through the deployment's web terminal\n/m,
    );
    await expectAsked(squid, [
      /GET \S+\/coordinate\? 101$/,
      /GET \S+\/derp 403$/,
      /GET \S+\/pty\? 101$/,
    ]);
    const command = await desk.run(["myworkspace", "true"], { env });
    strictEqual(command.code, 1);
    match(
      command.stderr,
      /error: dial agent: Cannot reach the relay "[^"]*": answered status 403\n/,
    );
  },
);

testWith(
  "squid and nginx: certificate, headers and their command go along to API, coordinator and relay",
  missingFor("squid", "nginx"),
  async () => {
    await using company = await openCompany();
    const { desk, folder, sandbox } = company;
    await using nginx = await startNginx({ deployment: sandbox.url });
    await using squid = await startSquid({ tlsPorts: [nginx.port] });
    const env = {
      CODER_URL: `https://${FAR_HOST}:${nginx.port}`,
      HTTPS_PROXY: squid.urlWithLogin,
      CODER_CLIENT_TLS_CA_FILE: `${folder}/ca.crt`,
    };
    const flags = [
      ...["--client-tls-cert-file", `${folder}/client.crt`],
      ...["--client-tls-key-file", `${folder}/client.key`],
      ...["--header", "X-Gate=open", "--header-command", "echo X-Key=7"],
    ];
    const { code, stdout, stderr } = await desk.run([...flags, "myworkspace", "echo in"], { env });
    deepStrictEqual({ code, stdout }, HAD_SHELL, stderr);
    const asked = await expectAsked(nginx, [
      /^GET \S+\/coordinate \[websocket\] CN=alice 101$/,
      /^GET \/derp \[DERP\] CN=alice 4\d\d$/,
      /^GET \/derp \[websocket\] CN=alice 101$/,
    ]);
    ok(asked.every((line) => !line.endsWith(" 403")), asked.join("\n"));
    const without = await desk.run(["myworkspace", "true"], { env });
    strictEqual(without.code, 1);
  },
);

testWith(
  "microsocks: with its credentials all goes through",
  missingFor("microsocks"),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url } = company;
    await using socks = await startMicrosocks();
    const env = { CODER_URL: url, SSL_CERT_FILE: `${folder}/ca.crt` };
    const through = await desk.run(["myworkspace", "echo in"], {
      env: { ...env, ALL_PROXY: socks.urlWithLogin },
    });
    deepStrictEqual({ code: through.code, stdout: through.stdout }, HAD_SHELL, through.stderr);
    for (
      const [proxy, words] of [
        [socks.url, "wants a user name and password"],
        [socks.url.replace("://", "://tester:wrong@"), "refused the user name or password"],
      ]
    ) {
      const result = await desk.run(["myworkspace", "true"], {
        env: { ...env, ALL_PROXY: proxy ?? "" },
      });
      strictEqual(result.code, 1);
      match(result.stderr, new RegExp(`: proxy ${LOOPBACK}:${socks.port} ${words}\n`));
    }
  },
);
