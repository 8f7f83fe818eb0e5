/** The log door: a category per room, a fixed message, and fields. Never payloads, tokens or private keys. */

export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log for a room below this one: `"net"` → `"net.derp"`. */
  child(category: string): Log;
}

/** Drops everything. */
export const SILENT_LOG: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child() {
    return SILENT_LOG;
  },
};
