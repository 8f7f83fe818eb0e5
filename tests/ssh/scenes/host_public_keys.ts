/** Public keys made with ssh-keygen for these tests; nobody holds their private halves. */

export interface PublicKey {
  readonly type: string;
  readonly base64: string;
  readonly blob: Uint8Array;
  /** As a known_hosts file has it behind the names. */
  readonly line: string;
}

function publicKey(type: string, base64: string): PublicKey {
  return { type, base64, blob: Uint8Array.fromBase64(base64), line: `${type} ${base64}` };
}

export const RSA = publicKey(
  "ssh-rsa",
  "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7CJFoI+57YpSWnxocH/HzxrYhBqz8f4n5Y6gPK4odA3cn" +
    "djM8hABeU3zmW/jhcgAke9KN4QNG3kW6DXorY/NgbfiRQJNxbWKbVO9xnORZ3zt1hRMMJAbApIJ3" +
    "8qCJ5L9xAM/vkyBK2yhnwzC06gDe8XL0rrzAjL5zPNMIT6ZNAQ==",
);

export const ED25519 = publicKey(
  "ssh-ed25519",
  "AAAAC3NzaC1lZDI1NTE5AAAAICFiYMmSz150Y1clka+ZF14I/mzA7BocBkxHpQ+PgxuZ",
);

export const ECDSA = publicKey(
  "ecdsa-sha2-nistp256",
  "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBG/d9k3IHhWpxVKK6cgABGSv" +
    "FgSKRDcsuEwPGUNbVwNaWlM2JC0+UsJCUEMJNL5J6jkFBU+Rgcf0+v/LYbEeJ8o=",
);
