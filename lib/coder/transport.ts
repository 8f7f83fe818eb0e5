export * from "../base/http.ts";
export type { HttpFetch as CoderFetch, HttpTransport as CoderTransport } from "../base/http.ts";
