/** `completion`: the script by which a shell asks `complete` what can stand where somebody types. Printed, never installed. */
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { choiceFlag, switchFlag } from "../grammar/flag.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand, FILES_FIT } from "./command.ts";

const BASH = `# hawser completion for bash
_hawser_offer() {
  local word=$1
  [[ $word != *[!A-Za-z0-9_./:,=@+-]* ]] || printf -v word %q "$word"
  COMPREPLY+=("$word")
}
_hawser() {
  local line=\${COMP_LINE:0:COMP_POINT} typed=\${2//\\\\/} word names before i n=-1 wants
  local -a words
  COMPREPLY=()
  # bash takes "=" and ":" for words of their own: what stands together becomes one again.
  for (( i = 0; i <= COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    if (( i == 0 )) || [[ $line == [[:space:]]* ]]; then
      words[++n]=
      line=\${line#"\${line%%[![:space:]]*}"}
    fi
    (( i < COMP_CWORD )) || word=$line
    words[n]+=\${word//[\\\\\\'\\"]/}
    line=\${line#"$word"}
  done
  before=\${words[n]%"$typed"}
  names=$(COMPLETION_MODE=1 hawser "\${words[@]:1}" 2>/dev/null)
  wants=$?
  while IFS= read -r word; do
    if [[ $word == "$before$typed"* && $word != "$before" ]]; then
      _hawser_offer "\${word#"$before"}"
    fi
  done <<<"$names"
  if [[ \${COMPREPLY[0]-} == *: ]]; then compopt -o nospace 2>/dev/null; fi
  (( wants == ${FILES_FIT} )) || return 0
  if (( \${#COMPREPLY[@]} == 0 )) && compopt -o default 2>/dev/null; then return 0; fi
  while IFS= read -r word; do
    [[ -n $word ]] || continue
    if [[ -d $word ]]; then word+=/; fi
    _hawser_offer "$word"
  done <<<"$(compgen -f -- "$typed")"
}
complete -F _hawser hawser
`;

const ZSH = `#compdef hawser
_hawser() {
  local text wants
  local -a names places
  text="$(COMPLETION_MODE=1 hawser "\${(@Q)words[2,CURRENT]}" 2>/dev/null)"
  wants=$?
  names=("\${(@f)text}")
  places=("\${(@M)names:#*:}")
  names=("\${(@)names:#(|*:)}")
  (( $#places )) && compadd -S '' -- "\${places[@]}"
  (( $#names )) && compadd -- "\${names[@]}"
  if (( wants == ${FILES_FIT} )); then
    compset -P '--[^=]#='
    _files
  fi
}
if [[ "$funcstack[1]" == _hawser ]]; then _hawser; else compdef _hawser hawser; fi
`;

const FISH = `# hawser completion for fish
function __hawser_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  COMPLETION_MODE=1 hawser $words "$current" 2>/dev/null
  if test $status -eq ${FILES_FIT}
    set -l flag (string match -r -- '^--[^=]*=' "$current")
    for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current"))
      echo "$flag$path"
    end
  end
end
complete -c hawser -f -a '(__hawser_complete)'
`;

const POWERSHELL = `# hawser completion for PowerShell
Register-ArgumentCompleter -Native -CommandName hawser -ScriptBlock {
  param($word, $ast, $cursor)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  # Before 7.3 an empty word is lost unless it is quoted.
  if ($word -eq '') { $words += if ($PSVersionTable.PSVersion -lt '7.3') { '""' } else { '' } }
  $before = $env:COMPLETION_MODE
  $env:COMPLETION_MODE = '1'
  try {
    hawser @words 2>$null | Where-Object { $_.StartsWith($word) } | ForEach-Object {
      [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
    if ($LASTEXITCODE -eq ${FILES_FIT}) {
      [System.Management.Automation.CompletionCompleters]::CompleteFilename($word)
    }
  } finally { $env:COMPLETION_MODE = $before }
}
`;

const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["bash", BASH],
  ["zsh", ZSH],
  ["fish", FISH],
  ["powershell", POWERSHELL],
]);
const SHELLS = [...SCRIPTS.keys()];

export const command = defineCommand({
  name: "completion",
  usage: "[flags]",
  summary: "Print what lets a shell complete commands, flags and workspaces.",
  description:
    "Prints a script for bash, zsh, fish or PowerShell, by which the tabulator key completes commands, " +
    "flags, contexts and the names of workspaces. Nothing is installed.",
  examples: [
    { line: "hawser completion --shell bash >> ~/.bashrc", does: "For every bash from now on" },
    {
      line: "hawser completion --shell fish > ~/.config/fish/completions/hawser.fish",
      does: "For fish",
    },
  ],
  flags: {
    shell: choiceFlag({
      name: "shell",
      shorthand: "s",
      words: ["", ...SHELLS],
      initial: "",
      help: "The shell; without it, that of SHELL.",
    }),
    print: switchFlag({ name: "print", shorthand: "p", help: "Accepted: it is printed always." }),
  },
  positionals: { min: 0, max: 0 },
  async run({ shell }, { host }) {
    const script = SCRIPTS.get(shell || shellOf(host));
    if (script === undefined) {
      throw new UserError("could not detect the current shell, please specify one with --shell", {
        hint: `One of ${SHELLS.join(", ")}`,
      });
    }
    await writeText(host.stdout, script);
    return 0;
  },
});

function shellOf(host: Host): string {
  return host.env("SHELL")?.split(/[/\\]/).at(-1) ?? "";
}
