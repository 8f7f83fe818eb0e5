/** `deno task pictures`: draws the pictures of the README anew, each from a real run. */
import { PICTURES, record } from "./record.ts";
import { drawScreen } from "./svg.ts";

const FOLDER = new URL("../../docs/pictures/", import.meta.url);

for (const picture of PICTURES) {
  const svg = drawScreen(await record(picture), picture.title);
  await Deno.writeTextFile(new URL(`${picture.name}.svg`, FOLDER), svg);
}
