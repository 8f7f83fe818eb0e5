/**
 * The certificate authorities that this machine trusts, besides Mozilla's list, which the platform has built in. Files and
 * folders are those of Go (`crypto/x509` `root_linux.go`, `root_unix.go`), so that what the official CLI trusts is trusted
 * here; macOS and Windows have stores of their own. Reading everything is slow in places, and most deployments need none
 * of it: the bundle comes first, the rest is asked when no authority of it vouches for a
 * server.
 */
import { isDefect, messageOf } from "../base/errors.ts";
import type { GetEnv } from "./proxy.ts";
import { certificatesIn } from "../base/pem.ts";

/** Authorities and where they came from. */
export interface Roots {
  /** PEM texts. */
  readonly certificates: readonly string[];
  /** What was asked, for people, e.g. `/etc/ssl/certs (not permitted)`. */
  readonly stores: readonly string[];
}

/** Where a machine keeps its authorities. Nothing of it rejects: a store that cannot be read says so in its name. */
export interface RootSources {
  /** What can be had in a millisecond. Texts as they are: one broken certificate makes all of them useless. */
  quick(): Promise<Roots>;
  /** Everything, with whatever cannot be used left out. */
  all(): Promise<Roots>;
}

/** Reads each source once, when it is first needed. */
export class SystemRoots {
  readonly #sources: RootSources;
  #quick: Promise<Roots> | undefined;
  #all: Promise<Roots> | undefined;

  constructor(sources: RootSources) {
    this.#sources = sources;
  }

  /** What to trust first: the bundle, or everything once that had to be read. */
  first(): Promise<Roots> {
    if (this.#all !== undefined) return this.#all;
    this.#quick ??= this.#sources.quick();
    return this.#quick;
  }

  /** Whether `all()` was asked already, so that asking again tells nothing new. */
  get isComplete(): boolean {
    return this.#all !== undefined;
  }

  all(): Promise<Roots> {
    this.#all ??= this.#sources.all();
    return this.#all;
  }
}

const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Gentoo
  "/etc/pki/tls/certs/ca-bundle.crt", // Fedora, RHEL 6
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/etc/pki/tls/cacert.pem", // OpenELEC
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
  "/etc/ssl/cert.pem", // Alpine, BSD
  "/usr/local/etc/ssl/cert.pem", // FreeBSD
  "/usr/local/share/certs/ca-root-nss.crt", // DragonFly
  "/etc/openssl/certs/ca-certificates.crt", // NetBSD
];
const FOLDERS = [
  "/etc/ssl/certs", // SLES
  "/etc/pki/tls/certs", // Fedora, RHEL
  "/usr/local/share/certs", // FreeBSD
  "/etc/openssl/certs", // NetBSD
];
const MAX_FILE_BYTES = 8 * 1_024 * 1_024;
const MAX_FILES_OF_FOLDER = 4_096;
const NOT_THERE = "no such file or directory";

/** What a machine's stores need of the platform. */
export interface RootFiles {
  readonly os: string;
  readonly env: GetEnv;
  /** The text of a file of at most `maxBytes`. Rejects with the platform's error. */
  readText(path: string, maxBytes: number): Promise<string>;
  /** The names of a folder's files, links that stay in it left out. Rejects likewise. */
  filesIn(path: string): AsyncIterable<string>;
  /** PEM texts of the system's own store, on macOS and Windows. Rejects likewise. */
  systemStore(): Promise<readonly string[]>;
}

/** The stores of the machine that `files` shows. */
export function rootSourcesOf(files: RootFiles): RootSources {
  const { os, env } = files;
  const hasStore = os === "darwin" || os === "windows";
  const namedFile = env("SSL_CERT_FILE");
  const namedFolders = env("SSL_CERT_DIR");
  const bundles = namedFile ? [namedFile] : hasStore ? [] : BUNDLES;
  const folders = namedFolders
    ? namedFolders.split(os === "windows" ? ";" : ":").filter((folder) => folder !== "")
    : hasStore
    ? []
    : FOLDERS;
  return {
    quick: () => readBundle(files, bundles),
    async all() {
      const parts = [
        await readBundle(files, bundles),
        ...(hasStore ? [await readStore(files)] : []),
        ...await Promise.all(folders.map((folder) => readFolder(files, folder))),
      ];
      return {
        certificates: [
          ...new Set(parts.flatMap((part) => part.certificates.flatMap(certificatesIn))),
        ],
        stores: parts.flatMap((part) => part.stores),
      };
    },
  };
}

/** The first file that can be read; one that is named must be there, or is named as missing. */
async function readBundle(files: RootFiles, paths: readonly string[]): Promise<Roots> {
  const stores: string[] = [];
  for (const path of paths) {
    try {
      return { certificates: [await files.readText(path, MAX_FILE_BYTES)], stores: [path] };
    } catch (error) {
      const why = reasonOf(error);
      if (why !== NOT_THERE || paths.length === 1) stores.push(`${path} (${why})`);
    }
  }
  return { certificates: [], stores };
}

async function readFolder(files: RootFiles, folder: string): Promise<Roots> {
  const certificates: string[] = [];
  try {
    let count = 0;
    for await (const name of files.filesIn(folder)) {
      if (++count > MAX_FILES_OF_FOLDER) break;
      try {
        certificates.push(await files.readText(`${folder}/${name}`, MAX_FILE_BYTES));
      } catch (error) {
        // A dangling link or a private key beside the certificates says nothing about them.
        reasonOf(error);
      }
    }
  } catch (error) {
    const why = reasonOf(error);
    return { certificates: [], stores: why === NOT_THERE ? [] : [`${folder} (${why})`] };
  }
  return { certificates, stores: [folder] };
}

async function readStore(files: RootFiles): Promise<Roots> {
  const name = files.os === "darwin"
    ? "the keychains of macOS"
    : "the certificate store of Windows";
  try {
    return { certificates: await files.systemStore(), stores: [name] };
  } catch (error) {
    return { certificates: [], stores: [`${name} (${reasonOf(error)})`] };
  }
}

/** Why a store cannot be read; rethrows what is no failure of the system. */
function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return NOT_THERE;
  if (error instanceof Deno.errors.NotCapable) return "not permitted";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (isDefect(error)) throw error;
  return messageOf(error);
}

/** This machine's stores. */
export function systemRoots(env: GetEnv): SystemRoots {
  return new SystemRoots(rootSourcesOf({
    os: Deno.build.os,
    env,
    readText,
    filesIn,
    async systemStore() {
      // The one door to these stores, and one that obeys their settings of trust; loading it costs 30 ms.
      const { getCACertificates } = await import("node:tls");
      return getCACertificates("system");
    },
  }));
}

async function readText(path: string, maxBytes: number): Promise<string> {
  const { isFile, size } = await Deno.stat(path);
  if (!isFile || size > maxBytes) throw new Error(isFile ? "too large" : "not a file");
  return await Deno.readTextFile(path);
}

async function* filesIn(folder: string): AsyncIterable<string> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) continue;
    // Names by hash are links to their neighbours: one reading is enough (`root_unix.go` `isSameDirSymlink`).
    if (entry.isSymlink && !(await Deno.readLink(`${folder}/${entry.name}`)).includes("/")) {
      continue;
    }
    yield entry.name;
  }
}
