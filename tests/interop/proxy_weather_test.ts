/** Proxies that people have, as they are on other days: behind TLS, not for everybody, silent, and cutting what lasts. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { LOOPBACK, LoopbackServer, readHead } from "../io/support.ts";
import { testWith } from "../live/check.ts";
import { HAD_SHELL, openCompany } from "./company.ts";
import { FAR_HOST, missingFor, startSquid } from "./real_proxies.ts";

testWith(
  "squid behind TLS: tunnels within its own, for those it knows",
  missingFor("squid"),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url, tlsPort } = company;
    await using squid = await startSquid({ tlsPorts: [tlsPort], isTls: true });
    const run = (proxy: string, authority = "ca.crt") =>
      desk.run(["myworkspace", "echo in"], {
        env: { CODER_URL: url, HTTPS_PROXY: proxy, SSL_CERT_FILE: `${folder}/${authority}` },
      });
    const { code, stdout, stderr } = await run(squid.urlWithLogin);
    deepStrictEqual({ code, stdout }, HAD_SHELL, stderr);
    const tunnel = `tester CONNECT ${FAR_HOST}:${tlsPort} 200`;
    const tunnels = (lines: readonly string[]) => lines.filter((line) => line === tunnel).length;
    const asked = await squid.asked((lines) => tunnels(lines) >= 3);
    ok(tunnels(asked) >= 3, asked.join("\n"));

    const where =
      `error: Cannot reach ${url}: dial tcp ${FAR_HOST}:${tlsPort}: proxy ${LOOPBACK}:${squid.port} `;
    const rows: readonly (readonly [proxy: string, authority: string, words: string])[] = [
      [squid.url, "ca.crt", "wants a user name and password (407)\n"],
      [
        squid.urlWithLogin.replace("tester", "nobody"),
        "ca.crt",
        "refused the user name or password (407)\n",
      ],
      [
        squid.urlWithLogin,
        "intercept.crt",
        "cannot be used: certificate signed by unknown authority (asked: ",
      ],
    ];
    for (const [proxy, authority, words] of rows) {
      const result = await run(proxy, authority);
      strictEqual(result.code, 1);
      ok(result.stderr.includes(where + words), result.stderr);
    }
  },
);

testWith(
  "squid: whom NO_PROXY names is reached without it, and nobody else",
  missingFor("squid"),
  async () => {
    await using company = await openCompany();
    const { desk, folder, url, tlsPort, sandbox } = company;
    await using squid = await startSquid({ tlsPorts: [tlsPort] });
    const exchanges = async (count = 0) => {
      const of = (lines: readonly string[]) =>
        lines.filter((line) => line !== "" && !line.startsWith("- - error:"));
      return of(await squid.asked((lines) => of(lines).length >= count));
    };
    const run = (env: Readonly<Record<string, string>>) =>
      desk.run(["myworkspace", "echo in"], {
        env: { SSL_CERT_FILE: `${folder}/ca.crt`, ALL_PROXY: squid.urlWithLogin, ...env },
      });
    // It leads to this machine, and is not what is never reached through a proxy.
    const { port } = sandbox.url;
    const near = `http://0.0.0.0:${port}`;
    const named = [
      "0.0.0.0",
      "10.0.0.0/8, 0.0.0.0/30",
      `a.test,0.0.0.0:${port}`,
      "*",
      "::ffff:0:0",
    ];
    for (const NO_PROXY of named) {
      const { code, stdout, stderr } = await run({ CODER_URL: near, NO_PROXY });
      deepStrictEqual({ code, stdout }, HAD_SHELL, stderr);
    }
    deepStrictEqual(await exchanges(), []);
    // It lets nobody out to that address, and everybody to the deployment.
    const others: readonly (readonly [url: string, noProxy: string, asked: RegExp])[] = [
      [near, "0.0.0.1, 0.0.0.128/25, 0.0.0.0:1", / GET http:\/\/0\.0\.0\.0:\S+ 403$/],
      [url, `.${FAR_HOST}, ${FAR_HOST}:1, er.test`, /^tester CONNECT coder\.test:\d+ 200$/],
    ];
    for (const [deployment, no_proxy, pattern] of others) {
      const before = (await exchanges()).length;
      const { code, stderr } = await run({ CODER_URL: deployment, no_proxy });
      strictEqual(code, deployment === url ? 0 : 1, stderr);
      const asked = (await exchanges(before + 1)).slice(before);
      ok(asked.length > 0 && asked.every((line) => pattern.test(line)), asked.join("\n"));
    }
  },
);

testWith(
  "A proxy that hangs at CONNECT is named, and is not waited for without end",
  [],
  async () => {
    await using company = await openCompany();
    const { desk, folder, url } = company;
    const hung = Promise.withResolvers<void>();
    const asked: string[] = [];
    await using proxy = new LoopbackServer(async (conn) => {
      asked.push((await readHead(conn)).split("\r\n", 1).join());
      await hung.promise;
    });
    const result = await desk.run(["myworkspace", "true"], {
      env: {
        CODER_URL: url,
        HTTPS_PROXY: `http://me:secret@${LOOPBACK}:${proxy.port}`,
        SSL_CERT_FILE: `${folder}/ca.crt`,
      },
    });
    hung.resolve();
    strictEqual(result.code, 1);
    match(result.stderr, new RegExp(`proxy ${LOOPBACK}:${proxy.port} does not answer\n`));
    ok(!result.stderr.includes("secret"));
    ok(asked.length > 0 && asked.every((line) => line.startsWith(`CONNECT ${FAR_HOST}:`)));
  },
);

testWith("squid: a session outlives the tunnels that it cuts", missingFor("squid"), async () => {
  await using company = await openCompany();
  const { desk, folder, url, tlsPort } = company;
  await using squid = await startSquid({ tlsPorts: [tlsPort], idleSeconds: 1 });
  await using run = desk.start(["myworkspace", "cat"], {
    env: { CODER_URL: url, HTTPS_PROXY: squid.urlWithLogin, SSL_CERT_FILE: `${folder}/ca.crt` },
  });
  const cuts = (lines: readonly string[]) =>
    lines.filter((line) => / CONNECT .* 200$/.test(line)).length;
  for (const word of ["one", "two", "three"]) {
    const before = cuts(await squid.asked(() => true));
    await run.type(`${word}\n`);
    await run.stdout.waitFor(`${word}\n`);
    // The relay's, the coordinator's and the API's.
    const after = cuts(await squid.asked((lines) => cuts(lines) >= before + 2));
    ok(after >= before + 2, `${after} tunnels were cut, ${before} of them before`);
  }
  await run.typeEnd();
  const { code, stdout, stderr } = await run.result();
  deepStrictEqual({ code, stdout }, { code: 0, stdout: "one\ntwo\nthree\n" }, stderr);
});
