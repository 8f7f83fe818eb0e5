/** Where the secrets of one deployment may go. */

/**
 * Whether what is meant for `own` may be sent to `url`: the same scheme, host and port, or the same host's `https` where
 * `own` is `http` and neither names a port, which only ever makes it safer.
 */
export function isSameDeployment(own: URL, url: URL): boolean {
  if (url.protocol === own.protocol && url.host === own.host) return true;
  return isUpgrade(own, url);
}

/** Whether `url` is `own` with encryption. */
export function isUpgrade(own: URL, url: URL): boolean {
  return own.protocol === "http:" && url.protocol === "https:" && own.hostname === url.hostname &&
    own.port === "" && url.port === "";
}
