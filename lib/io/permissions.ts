/** What was permitted. Nobody is asked: the runtime would ask on the terminal for what was not, as soon as it is used. */

export function isPermitted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** Without exceptions (`--deny-net=…`): the runtime calls it granted with them, too. */
export function isAllPermitted(name: "net" | "ffi"): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && !partial;
}

/** Whether `host`, a name or an address, may be connected to, or listened on, at that port. @default port any */
export function isHostPermitted(host: string, port?: number): boolean {
  const name = host.includes(":") ? `[${host}]` : host;
  return isPermitted({ name: "net", host: port === undefined ? name : `${name}:${port}` });
}
