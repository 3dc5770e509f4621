/** `completion`: what a shell offers after a tab, made from the verbs themselves. */

import type { Command } from 'commander';

/** One verb, or one below another: `token issue`. */
interface VerbWords {
  readonly path: string;
  readonly description: string;
  /** What may follow: verbs below it, and flags. */
  readonly words: readonly string[];
}

export function completion(shell: string, program: Command): void {
  const verbs = words('', program);
  process.stdout.write(shell === 'fish' ? fish(verbs) : shell === 'zsh' ? zsh(verbs) : bash(verbs));
}

function words(path: string, command: Command): VerbWords[] {
  const flags = command.options.flatMap(({ long, hidden }) => (hidden ? [] : (long ?? [])));
  const below = command.commands.map((each) => each.name());
  const own = { path, description: command.description(), words: [...below, ...flags, '--help'] };
  return [own, ...command.commands.flatMap((each) => words(`${path} ${each.name()}`.trim(), each))];
}

function bash(verbs: readonly VerbWords[]): string {
  // The longest path first: a shell takes the first pattern that fits.
  const cases = verbs
    .toSorted((a, b) => b.path.length - a.path.length)
    .map(
      ({ path, words }) =>
        `    '${path}'${path === '' ? '' : '|'}${path === '' ? '' : `'${path} '*`}) words='${words.join(' ')}' ;;`,
    );
  return `_mcp_gateway() {
  local words='' before="\${COMP_WORDS[*]:1:COMP_CWORD-1}"
  case "$before" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _mcp_gateway mcp-gateway
`;
}

/** zsh runs completions made for bash; mapfile is the one word of it that it lacks. */
function zsh(verbs: readonly VerbWords[]): string {
  const script = bash(verbs).replace(/mapfile -t COMPREPLY < <\((.*)\)\n/, 'COMPREPLY=($($1))\n');
  return `#compdef mcp-gateway\nautoload -U +X bashcompinit && bashcompinit\n${script}`;
}

function fish(verbs: readonly VerbWords[]): string {
  const top = verbs.filter(({ path }) => path !== '' && !path.includes(' '));
  const first = top.map(
    ({ path, description }) =>
      `complete -c mcp-gateway -n __fish_use_subcommand -a ${path} -d '${description.replaceAll("'", '')}'`,
  );
  const rest = verbs
    .filter(({ path }) => path !== '')
    .flatMap(({ path, words }) => {
      const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
      return words.map((word) =>
        word.startsWith('--')
          ? `complete -c mcp-gateway -n '${seen.join('; and ')}' -l ${word.slice(2)}`
          : `complete -c mcp-gateway -f -n '${seen.join('; and ')}' -a ${word}`,
      );
    });
  return `${[...first, ...rest].join('\n')}\n`;
}
