/** A connection as the drivers see it, whoever made it, and the certificates to make it with. */

/** A connected byte pipe; `Deno.Conn` fits. */
export interface Conn {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Certificates of the user's own, PEM. */
export interface TlsMaterial {
  /** Certificate authorities, trusted besides the system's. */
  readonly caCerts?: readonly string[];
  /** Client certificate chain and its private key. */
  readonly client?: { readonly cert: string; readonly key: string };
}

/** Closes a connection that may be closed already. */
export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch (error) {
    // `BadResource`: the other side of a TLS upgrade or an abort closed it first.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
