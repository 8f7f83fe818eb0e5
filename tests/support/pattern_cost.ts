/**
 * Whether a regular expression takes linear time on any text. The rule is stricter than the truth: a pattern passes when
 * it never has to go back over what it read, which can be seen from its form.
 *   1. Where something repeats without a small bound, the first character after it never is one that the repetition could
 *      take as well, or nothing behind it can fail. Inside a repetition this holds for every choice.
 *   2. A pattern that may begin anywhere (no `^`, not sticky) begins with a character that none of its repetitions takes,
 *      or nothing behind the repetition can fail. Otherwise each of n places costs a run of n characters.
 */
import { RegExpParser } from "@eslint-community/regexpp";
import type { AST } from "@eslint-community/regexpp";
import { CharSet } from "refa";
import * as analysis from "regexp-ast-analysis";

/** Repetitions of at most this many characters cost no more than a constant. */
const SMALL_BOUND = 64;

/** Why `pattern` may need more than linear time; `undefined` when it cannot. */
export function superLinearReason(pattern: string, flagText: string): string | undefined {
  const ast = new RegExpParser().parsePattern(pattern, 0, pattern.length, {
    unicode: flagText.includes("u"),
    unicodeSets: flagText.includes("v"),
  });
  const flags = flagsOf(flagText);
  for (const alternative of ast.alternatives) {
    const reason = checkAlternative(alternative, flags);
    if (reason !== undefined) return `${reason} in /${pattern}/${flagText}`;
  }
  return undefined;
}

interface Flags extends analysis.ReadonlyFlags {
  readonly sticky: boolean;
  readonly multiline: boolean;
}

function flagsOf(text: string): Flags {
  return {
    dotAll: text.includes("s"),
    global: text.includes("g"),
    hasIndices: text.includes("d"),
    ignoreCase: text.includes("i"),
    multiline: text.includes("m"),
    sticky: text.includes("y"),
    unicode: text.includes("u"),
    unicodeSets: text.includes("v"),
  };
}

function checkAlternative(alternative: AST.Alternative, flags: Flags): string | undefined {
  const starts = flags.sticky ? undefined : startsOf(alternative, flags);
  for (const quantifier of quantifiersIn(alternative)) {
    const isLoop = quantifier.max > SMALL_BOUND;
    if (quantifier.min === quantifier.max) continue; // no choice when to leave
    if (!isLoop && !isInLoop(quantifier)) continue;
    if (isInLookaround(quantifier)) return `"${quantifier.raw}" repeats in a lookaround`;
    const isSure = cannotFailAfter(quantifier, flags);
    if (!isSure && !leavesSurely(quantifier, flags)) {
      return `what follows "${quantifier.raw}" could belong to it`;
    }
    const taken = analysis.getConsumedChars(quantifier.element, flags).chars;
    if (isLoop && !isSure && starts !== undefined && !starts.isDisjointWith(taken)) {
      return `"${quantifier.raw}" is run through anew from every place`;
    }
  }
  return checkChoices(alternative, flags);
}

/** Which characters a match can begin at; `undefined` when it can begin at one place only. */
function startsOf(alternative: AST.Alternative, flags: Flags): CharSet | undefined {
  const [first] = alternative.elements;
  if (first?.type === "Assertion" && first.kind === "start") {
    return flags.multiline ? analysis.Chars.lineTerminator(flags) : undefined;
  }
  const look = analysis.getFirstConsumedChar(alternative, "ltr", flags);
  return look.empty ? analysis.Chars.all(flags) : look.char;
}

function leavesSurely(quantifier: AST.Quantifier, flags: Flags): boolean {
  const again = analysis.getFirstConsumedChar(quantifier.element, "ltr", flags);
  const after = analysis.getFirstCharAfter(quantifier, "ltr", flags);
  return !again.empty && again.char.isDisjointWith(after.char);
}

/** Whether everything from here to the end of the pattern may be nothing. */
function cannotFailAfter(quantifier: AST.Quantifier, flags: Flags): boolean {
  let node: AST.Node = quantifier;
  let parent: AST.Node | null = parentOf(quantifier);
  for (; parent !== null; node = parent, parent = parentOf(parent)) {
    if (parent.type === "Alternative") {
      const child = node;
      const at = parent.elements.findIndex((element) => element === child);
      const rest = parent.elements.slice(at + 1);
      if (!rest.every((element) => analysis.isPotentiallyEmpty(element, flags))) return false;
    }
    // Only the loop as a whole may end where it likes, not each round of it.
    if (parent.type === "Quantifier") return false;
    if (parent.type === "Pattern") return true;
  }
  return true;
}

function parentOf(node: AST.Node): AST.Node | null {
  return node.parent;
}

/** Alternatives inside a repetition must differ in their first character. */
function checkChoices(alternative: AST.Alternative, flags: Flags): string | undefined {
  for (const node of nodesIn(alternative)) {
    if (node.type !== "Group" && node.type !== "CapturingGroup") continue;
    if (!isInLoop(node)) continue;
    let seen = CharSet.empty(analysis.Chars.all(flags).maximum);
    for (const choice of node.alternatives) {
      const first = analysis.getFirstConsumedChar(choice, "ltr", flags);
      if (node.alternatives.length > 1 && (first.empty || !first.char.isDisjointWith(seen))) {
        return `two choices of "${node.raw}" may begin alike`;
      }
      seen = seen.union(first.char);
    }
  }
  return undefined;
}

function isInLoop(node: AST.Node): boolean {
  for (let parent = node.parent; parent !== null; parent = parent.parent) {
    if (parent.type === "Quantifier" && parent.max > SMALL_BOUND) return true;
  }
  return false;
}

function isInLookaround(node: AST.Node): boolean {
  for (let parent = node.parent; parent !== null; parent = parent.parent) {
    if (parent.type === "Assertion") return true;
  }
  return false;
}

function* quantifiersIn(root: AST.Alternative): Generator<AST.Quantifier> {
  for (const node of nodesIn(root)) if (node.type === "Quantifier") yield node;
}

function* nodesIn(node: AST.Node): Generator<AST.Node> {
  yield node;
  switch (node.type) {
    case "Alternative":
      for (const element of node.elements) yield* nodesIn(element);
      break;
    case "Group":
    case "CapturingGroup":
      for (const choice of node.alternatives) yield* nodesIn(choice);
      break;
    case "Quantifier":
      yield* nodesIn(node.element);
      break;
    case "Assertion":
      if (node.kind === "lookahead" || node.kind === "lookbehind") {
        for (const choice of node.alternatives) yield* nodesIn(choice);
      }
      break;
    default:
      break; // characters and sets have no parts that repeat
  }
}

export interface FoundPattern {
  readonly pattern: string;
  readonly flags: string;
}

/** The regular expressions in a TypeScript source; those that are put together at run time are told by `built`. */
export function patternsIn(source: string): { found: FoundPattern[]; built: number } {
  const found: FoundPattern[] = [];
  let built = 0;
  const noteCall = (callee: Deno.lint.Expression | Deno.lint.Super) => {
    if (callee.type === "Identifier" && callee.name === "RegExp") built++;
  };
  const plugin: Deno.lint.Plugin = {
    name: "patterns",
    rules: {
      collect: {
        create: () => ({
          Literal(node) {
            if (!("regex" in node) || node.regex === undefined) return;
            found.push({ pattern: node.regex.pattern, flags: node.regex.flags });
          },
          NewExpression: (node) => noteCall(node.callee),
          CallExpression: (node) => noteCall(node.callee),
        }),
      },
    },
  };
  Deno.lint.runPlugin(plugin, "source.ts", source);
  return { found, built };
}
