/**
 * How many cells of a terminal a text takes: Unicode TR11 (East Asian Width) and the emoji of TR51, as terminals have them. Where they
 * do not agree, the wider reading counts: a line that is shorter than it could be is no harm, one that wraps is.
 */

const ASCII = /^[ -~]*$/;
/** East Asian Wide and Fullwidth, by blocks, and what is drawn as a picture. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Marks over what stands before them, vowels and finals of a Korean syllable, and what is not shown at all. */
const NONE =
  /[\u1160-\u11ff\ud7b0-\ud7ff]|\p{Mn}|\p{Me}|\p{Cf}|\p{Cc}|\p{Default_Ignorable_Code_Point}/u;
/** Asks for the picture of the character before it, which is wide. */
const PICTURE_SELECTOR = "\ufe0f";

/** Cells of one code point: 0, 1 or 2. */
export function cellsOfCharacter(character: string): 0 | 1 | 2 {
  if (ASCII.test(character)) return 1;
  if (character === PICTURE_SELECTOR) return 1;
  if (NONE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Cells of a text without controls. */
export function cellsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let cells = 0;
  for (const character of text) cells += cellsOfCharacter(character);
  return cells;
}

/** The end of `text`, on one line of at most `width` cells, behind an ellipsis when it was cut. */
export function clipStart(text: string, width: number): string {
  const line = text.replaceAll("\t", " ");
  if (cellsOf(line) <= width) return line;
  const characters = [...line];
  let room = width - 1; // for the ellipsis
  let from = characters.length;
  while (from > 0) {
    room -= cellsOfCharacter(characters[from - 1] ?? "");
    if (room < 0) break;
    from--;
  }
  return width <= 0 ? "" : `…${characters.slice(from).join("")}`;
}

/** `text` on one line of at most `width` cells, with an ellipsis when it was cut. */
export function clip(text: string, width: number): string {
  const line = text.replaceAll("\t", " ");
  if (cellsOf(line) <= width) return line;
  let room = width - 1; // for the ellipsis
  let kept = "";
  for (const character of line) {
    room -= cellsOfCharacter(character);
    if (room < 0) break;
    kept += character;
  }
  return width <= 0 ? "" : `${kept}…`;
}
