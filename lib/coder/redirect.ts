/** Redirects of a deployment (RFC 9110 §15.4): where they lead, and what to say of those that lead away. */
import { UserError } from "../base/errors.ts";
import type { Asked } from "./answer.ts";
import { notCoderError } from "./errors.ts";

/** Where `location` leads, without the credentials that it may hold. Throws `UserError` for anything but http and https. */
export function redirectTarget(asked: Asked, location: string): URL {
  const target = URL.parse(location, asked.url);
  if (target === null) throw cannotFollow(asked, "a redirect leads nowhere");
  if (target.protocol !== "http:" && target.protocol !== "https:") {
    throw cannotFollow(asked, `a redirect leads to ${target.protocol}, not http or https`);
  }
  // They belong to whoever wrote the redirect, and would be sent and logged.
  target.username = "";
  target.password = "";
  return target;
}

/** What it means that the deployment sends us to `target`, which is not itself. */
export function movedError(asked: Asked, target: URL): UserError {
  if (asked.url.protocol === "https:" && target.protocol === "http:") {
    return cannotFollow(asked, `a redirect leads to ${target.origin}, which is not encrypted`);
  }
  const isWhole = target.pathname === "/" || target.pathname.endsWith(asked.url.pathname);
  if (!isWhole) {
    return notCoderError(
      asked.url.origin,
      `it sends us to ${target.origin}${target.pathname}, as login pages do`,
    );
  }
  return new UserError(
    `The deployment ${asked.url.origin} has moved to ${target.origin}: use that URL`,
    {
      hint:
        `Log in there with 'hawser login ${target.origin}', or give it with --url or CODER_URL ` +
        "and a token of it",
    },
  );
}

function cannotFollow(asked: Asked, why: string): UserError {
  return new UserError(`Cannot follow ${asked.method} ${asked.url}: ${why}`, {
    hint: "Check the URL of the deployment",
  });
}
