/** What a person wants to see when the gateway is up: what is served where, how to log in, what to paste into a client. */

import type { Gateway } from '../gateway.ts';
import type { PublishedServer } from '../plan.ts';
import { trustAdvice } from '../tls/trust-advice.ts';
import { version } from '../version.ts';

/** Plain text, one empty line at its end. `took` in milliseconds. */
export function banner(gateway: Gateway, took: number): string {
  const width = Math.max(0, ...gateway.servers.map(({ name }) => name.length));
  const rows = gateway.servers.map(
    ({ name, url, guarded, target }) =>
      `  ${name.padEnd(width)}  ${url}  ${guarded ? 'guarded' : 'PUBLIC'}  → ${target}`,
  );
  const [first] = gateway.servers;
  return [
    `mcp-gateway ${version} is ready at ${gateway.publicUrl.origin} (${Math.round(took)} ms)`,
    '',
    ...(rows.length === 0 ? ['  no MCP server is configured'] : rows),
    '',
    ...(gateway.adminPassword === undefined
      ? []
      : ['  Log in as  admin', `  Password   ${gateway.adminPassword}   (made for this run, shown only here)`, '']),
    ...(gateway.consoleUrl === undefined ? [] : [`  Console    ${gateway.consoleUrl}`, '']),
    ...(gateway.rootFile === undefined ? [] : trustAdvice(gateway.rootFile)),
    ...(first === undefined ? [] : clientLines(first)),
    '',
  ].join('\n');
}

/** The words for the clients people have, ready to paste. */
function clientLines({ name, url }: PublishedServer): string[] {
  return [
    `  Claude Code    claude mcp add --transport http ${name} ${url}`,
    `  VS Code        code --add-mcp '${JSON.stringify({ name, type: 'http', url })}'`,
    `  Cursor         ~/.cursor/mcp.json: ${JSON.stringify({ mcpServers: { [name]: { url } } })}`,
    `  MCP Inspector  npx @modelcontextprotocol/inspector, then Streamable HTTP and ${url}`,
    '',
  ];
}
