/** Real servers, as their authors publish them, and a call to each whose answer is known. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface RealServer {
  readonly name: string;
  /** As it stands in the configuration. */
  readonly config: {
    readonly command: string;
    readonly args?: readonly string[];
    readonly env?: Record<string, string>;
  };
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What the answer's text holds. */
  readonly answer: string;
}

const entry = (name: string) =>
  join(import.meta.dirname, `../../node_modules/@modelcontextprotocol/server-${name}/dist/index.js`);

/** Those that npm brings. They keep what they keep in `directory`. */
export function npmServers(directory: string): readonly RealServer[] {
  const note = join(directory, 'note.txt');
  writeFileSync(note, 'grüße aus der Datei');
  const memory = join(directory, 'memory.jsonl');
  const ada = { type: 'entity', name: 'Ada', entityType: 'person', observations: ['wrote the first program'] };
  writeFileSync(memory, `${JSON.stringify(ada)}\n`);
  const node = (name: string, ...args: string[]) => ({ command: process.execPath, args: [entry(name), ...args] });
  return [
    {
      name: 'everything',
      config: node('everything', 'stdio'),
      tool: 'echo',
      args: { message: 'grüße' },
      answer: 'Echo: grüße',
    },
    {
      name: 'filesystem',
      config: node('filesystem', directory),
      tool: 'read_text_file',
      args: { path: note },
      answer: 'grüße aus der Datei',
    },
    {
      name: 'memory',
      config: { ...node('memory'), env: { MEMORY_FILE_PATH: memory } },
      tool: 'search_nodes',
      args: { query: 'Ada' },
      answer: 'wrote the first program',
    },
    {
      name: 'sequential-thinking',
      config: node('sequential-thinking'),
      tool: 'sequentialthinking',
      args: { thought: 'one', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
      answer: '"thoughtNumber": 1',
    },
  ];
}

const run = promisify(execFile);

/** One written in Python and one that is compiled, installed into `directory`; without the tools for that, why not. */
export const installed: Readonly<Record<string, (directory: string) => Promise<RealServer>>> = {
  async 'time (Python)'(directory) {
    const venv = join(directory, 'python');
    await run('python3', ['-m', 'venv', venv]);
    await run(join(venv, 'bin/pip'), ['install', '--quiet', 'mcp-server-time']);
    return {
      name: 'time',
      config: { command: join(venv, 'bin/mcp-server-time') },
      tool: 'convert_time',
      args: { source_timezone: 'Europe/Berlin', time: '12:00', target_timezone: 'Asia/Tokyo' },
      answer: 'Asia/Tokyo',
    };
  },
  async 'everything (Go)'(directory) {
    const go = join(directory, 'go');
    const env = { ...process.env, GOPATH: go, GOFLAGS: '-modcacherw' };
    await run('go', ['install', 'github.com/modelcontextprotocol/go-sdk/examples/server/everything@latest'], { env });
    return {
      name: 'everything-go',
      config: { command: join(go, 'bin/everything') },
      tool: 'greet',
      args: { name: 'Ada' },
      answer: 'Ada',
    };
  },
};
