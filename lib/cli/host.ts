export * from "../base/host.ts";
