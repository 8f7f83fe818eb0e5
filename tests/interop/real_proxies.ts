/**
 * Proxies that people have, as Debian packs them, each with its files in a folder of its own and on a port of the kernel's choice:
 * Squid as a company sets it up, nginx before a deployment, and a SOCKS server. They alone know where `coder.test` is.
 */
import { isInstalled } from "../live/check.ts";
import { Process } from "../live/process.ts";
import { LOOPBACK, tlsFixture } from "../io/support.ts";
import { freePort } from "../support/free_port.ts";

/** The name of the deployment, which has an address at proxies only. */
export const FAR_HOST = "coder.test";
/** Has all that must be written otherwise in a URL. */
export const PROXY_LOGIN = { user: "tester", password: "p@ss:w/rd%1" } as const;
/** `openssl passwd -apr1 -salt hawser 'p@ss:w/rd%1'` */
const PASSWORD_LINE = "tester:$apr1$hawser$7cFP2e8xqUZUTDzWN/ltq.\n";
const ATTEMPTS = 3;
const LISTEN_LIMIT_MS = 20_000;
const LOG_LIMIT_MS = 20_000;
const RETRY_MS = 20;
const LIMIT_MS = 300_000;
const SQUID_HELPERS = "/usr/lib/squid";

/** Programs that are not on everybody's search path. */
const PLACES = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];
const placeOf = (program: string): string =>
  PLACES.map((folder) => `${folder}/${program}`).find(exists) ?? program;

export type RealProxyKind = "squid" | "nginx" | "microsocks";

/** What there must be for these, and is not. */
export function missingFor(...kinds: readonly RealProxyKind[]): string[] {
  const missing = ["sh", ...kinds].filter((name) => !isInstalled(name) && !exists(placeOf(name)));
  if (kinds.includes("microsocks") && nssWrapper() === undefined) missing.push("libnss-wrapper");
  return missing;
}

/** Whether this Squid can look into TLS. */
export function missingForInterception(): string[] {
  const helper = `${SQUID_HELPERS}/security_file_certgen`;
  return [...missingFor("squid"), ...exists(helper) ? [] : ["squid-openssl"]];
}

export interface RealProxy extends AsyncDisposable {
  readonly port: number;
  /** For a variable of the environment, without credentials. */
  readonly url: string;
  /** The same with those that it accepts. */
  readonly urlWithLogin: string;
  /** Its log of what was asked, line by line, once it is `complete`, or was not for long: it is written when an exchange has ended. */
  asked(isComplete: (lines: readonly string[]) => boolean): Promise<string[]>;
}

export interface SquidOptions {
  readonly tlsPorts: readonly number[];
  /** Whether it speaks TLS itself, with the certificate of the tests' servers. @default false */
  readonly isTls?: boolean;
  /** It cuts tunnels through which nothing comes for so long. @default a quarter of an hour */
  readonly idleSeconds?: number;
}

/** Wants a name and a password, and opens nothing but tunnels to `tlsPorts`, as companies have it. */
export function startSquid(options: SquidOptions): Promise<RealProxy> {
  const { isTls = false, idleSeconds = 900 } = options;
  return start(isTls ? "https" : "http", (folder, port) => ({
    files: {
      "squid.conf": squidConf(folder, [
        isTls
          ? `https_port ${LOOPBACK}:${port} tls-cert=${folder}/server.pem`
          : `http_port ${LOOPBACK}:${port}`,
        `read_timeout ${idleSeconds} seconds`,
        `auth_param basic program ${SQUID_HELPERS}/basic_ncsa_auth ${folder}/passwords`,
        "auth_param basic children 2 startup=1",
        "auth_param basic realm the test's",
        "acl known proxy_auth REQUIRED",
        `acl tls_port port ${options.tlsPorts.join(" ")}`,
        "http_access deny !CONNECT",
        "http_access deny !tls_port",
        "http_access allow known",
        "http_access deny all",
      ]),
      passwords: PASSWORD_LINE,
      "server.pem": tlsFixture("server.crt") + tlsFixture("server.key"),
    },
    argv: squidArgv(folder, port),
  }));
}

/**
 * Looks into every tunnel, with certificates of `tests/fixtures/tls/intercept.crt`, and passes no upgrade but to websocket; with
 * `apiOnly` nothing but the deployment's API. Itself it trusts the tests' servers.
 */
export function startInterceptingSquid(
  { apiOnly = false }: { readonly apiOnly?: boolean } = {},
): Promise<RealProxy> {
  return start("http", (folder, port) => {
    const certgen = `${SQUID_HELPERS}/security_file_certgen -s ${folder}/certs -M 4MB`;
    return {
      files: {
        "squid.conf": squidConf(folder, [
          `http_port ${LOOPBACK}:${port} ssl-bump tls-cert=${folder}/intercept.pem ` +
          "generate-host-certificates=on dynamic_cert_mem_cache_size=4MB",
          `sslcrtd_program ${certgen}`,
          "sslcrtd_children 2 startup=1",
          "ssl_bump bump all",
          `tls_outgoing_options cafile=${folder}/ca.crt`,
          "http_upgrade_request_protocols websocket allow all",
          "http_upgrade_request_protocols OTHER deny all",
          ...apiOnly ? ["acl api urlpath_regex ^/api/v2/", "http_access deny !CONNECT !api"] : [],
          "http_access allow all",
        ]),
        "intercept.pem": tlsFixture("intercept.crt") + tlsFixture("intercept.key"),
        "ca.crt": tlsFixture("ca.crt"),
      },
      prepare: `${certgen} -c`,
      argv: squidArgv(folder, port),
    };
  });
}

/** A SOCKS5 server that wants a name and a password. */
export function startMicrosocks(): Promise<RealProxy> {
  const { user, password } = PROXY_LOGIN;
  return start("socks5", (folder, port) => ({
    files: {},
    // It asks the system where names are: whom it asks tells it of ours.
    argv: [
      ...["env", `LD_PRELOAD=${nssWrapper()}`, `NSS_WRAPPER_HOSTS=${folder}/hosts`],
      ...[placeOf("microsocks"), "-i", LOOPBACK, "-p", `${port}`, "-u", user, "-P", password],
    ],
  }));
}

/**
 * A front with TLS before `deployment`: passes no upgrade but to websocket, and nobody in without the header `X-Gate: open`, the header
 * `X-Key: 7`, and a client certificate.
 */
export function startNginx(options: { readonly deployment: URL }): Promise<RealProxy> {
  return start("https", (folder, port) => ({
    files: {
      "nginx.conf": [
        "daemon off;",
        "master_process off;",
        `pid ${folder}/nginx.pid;`,
        `error_log ${folder}/error.log;`,
        "events {}",
        "http {",
        "  map $http_upgrade $passed { default ''; ~*^websocket$ websocket; }",
        "  map $passed $hop { default close; websocket upgrade; }",
        "  log_format asked '$request_method $uri [$http_upgrade] $ssl_client_s_dn $status';",
        `  access_log ${folder}/access.log asked;`,
        ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) =>
          `  ${kind}_temp_path ${folder}/${kind};`
        ),
        "  server {",
        `    listen ${LOOPBACK}:${port} ssl;`,
        `    ssl_certificate ${folder}/server.crt;`,
        `    ssl_certificate_key ${folder}/server.key;`,
        `    ssl_client_certificate ${folder}/ca.crt;`,
        "    ssl_verify_client on;",
        "    if ($http_x_gate != open) { return 403; }",
        "    if ($http_x_key != 7) { return 403; }",
        "    location / {",
        `      proxy_pass ${options.deployment.origin};`,
        "      proxy_http_version 1.1;",
        "      proxy_set_header Host $http_host;",
        "      proxy_set_header Upgrade $passed;",
        "      proxy_set_header Connection $hop;",
        "      proxy_read_timeout 60s;",
        "      proxy_buffering off;",
        "    }",
        "  }",
        "}",
        "",
      ].join("\n"),
      "server.crt": tlsFixture("server.crt"),
      "server.key": tlsFixture("server.key"),
      "ca.crt": tlsFixture("ca.crt"),
    },
    argv: [
      placeOf("nginx"),
      "-e",
      `${folder}/error.log`,
      "-p",
      folder,
      "-c",
      `${folder}/nginx.conf`,
    ],
  }));
}

interface Plan {
  /** In its folder, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** A command of the shell that must have run before. */
  readonly prepare?: string;
  readonly argv: readonly string[];
}

/** Another process may take the port before the proxy does: then with another one. */
async function start(
  scheme: string,
  plan: (folder: string, port: number) => Plan,
): Promise<RealProxy> {
  for (let attempt = 1;; attempt++) {
    try {
      return await startOnce(scheme, plan);
    } catch (error) {
      if (!(error instanceof NotListeningError) || attempt === ATTEMPTS) throw error;
    }
  }
}

class NotListeningError extends Error {}

async function startOnce(
  scheme: string,
  plan: (folder: string, port: number) => Plan,
): Promise<RealProxy> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "hawser-proxy-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const port = await freePort();
  const { files, prepare, argv } = plan(folder, port);
  await Deno.writeTextFile(`${folder}/hosts`, `${LOOPBACK} ${FAR_HOST}\n`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const env = { PATH: Deno.env.get("PATH") ?? "" };
  const options = { env, cwd: folder, stdin: "null", limitMs: LIMIT_MS } as const;
  // Squid will not be root: whoever it becomes instead must be able to read and write here, where no secret is.
  const steps = [...prepare === undefined ? [] : [prepare], `chmod -R a+rwX ${folder}`];
  for (const step of steps) {
    await using preparing = new Process(["sh", "-c", step], options);
    const { code, stdout, stderr } = await preparing.exit();
    if (code !== 0) throw new Error(`${step}: status ${code}: ${stdout}${stderr}`);
  }
  const process = stack.use(new Process(argv, options));
  // Killed, it would leave behind what it shares in memory.
  stack.defer(async () => {
    process.kill("SIGTERM");
    await process.exit();
  });
  await untilListening(process, port);
  const kept = stack.move();
  const login = Object.values(PROXY_LOGIN).map(encodeURIComponent).join(":");
  return {
    port,
    url: `${scheme}://${LOOPBACK}:${port}`,
    urlWithLogin: `${scheme}://${login}@${LOOPBACK}:${port}`,
    asked: (isComplete) => readLog(`${folder}/access.log`, isComplete),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** There is no event to wait for: it is knocked at again and again. */
async function untilListening(process: Process, port: number): Promise<void> {
  let ended: string | undefined;
  process.exit().then(
    ({ code, stdout, stderr }) => ended = `status ${code}: ${stdout}${stderr}`,
    (error: unknown) => ended = String(error),
  );
  const began = performance.now();
  while (ended === undefined && performance.now() - began < LISTEN_LIMIT_MS) {
    try {
      (await Deno.connect({ hostname: LOOPBACK, port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  throw new NotListeningError(`${process.argv.join(" ")} does not listen: ${ended}`);
}

async function readLog(
  path: string,
  isComplete: (lines: readonly string[]) => boolean,
): Promise<string[]> {
  const began = performance.now();
  for (;;) {
    const lines = (await Deno.readTextFile(path)).trim().split("\n");
    if (isComplete(lines) || performance.now() - began > LOG_LIMIT_MS) return lines;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** What every Squid of ours has: it keeps nothing but its log. */
function squidConf(folder: string, lines: readonly string[]): string {
  return [
    "pid_filename none",
    `cache_log ${folder}/cache.log`,
    "logformat asked %un %rm %ru %>Hs",
    `access_log stdio:${folder}/access.log asked`,
    "logfile_rotate 0",
    "cache deny all",
    "netdb_filename none",
    "pinger_enable off",
    `coredump_dir ${folder}`,
    `hosts_file ${folder}/hosts`,
    "shutdown_lifetime 0 seconds",
    "acl CONNECT method CONNECT",
    ...lines,
    "",
  ].join("\n");
}

/** A name of its own: by it what is shared in memory is told from another Squid's. */
function squidArgv(folder: string, port: number): string[] {
  return [placeOf("squid"), "-N", "-n", `hawser${port}`, "-f", `${folder}/squid.conf`];
}

function nssWrapper(): string | undefined {
  const { arch } = Deno.build;
  return [`/usr/lib/${arch}-linux-gnu`, "/usr/lib64", "/usr/lib"]
    .map((folder) => `${folder}/libnss_wrapper.so`).find(exists);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
