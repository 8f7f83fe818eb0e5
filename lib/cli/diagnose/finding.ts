/** What a look at one part of the way to a workspace found, and how people read it. */

export interface Finding {
  readonly level: "good" | "note" | "problem";
  /** What was looked at, in one or two words. */
  readonly about: string;
  /** What is the case, in one line. */
  readonly text: string;
  /** What to do about it. */
  readonly hint?: string;
}

const MARKS = { good: "✔", note: "•", problem: "✘" } as const;

/** One line each, what to do below it. */
export function renderFindings(findings: readonly Finding[]): string[] {
  return findings.flatMap(({ level, about, text, hint }) => [
    `${MARKS[level]} ${about}: ${text}`,
    ...hint === undefined ? [] : [`  → ${hint}`],
  ]);
}

export function problemCount(findings: readonly Finding[]): number {
  return findings.filter(({ level }) => level === "problem").length;
}
