/**
 * Starts the program of the executable once and keeps the code that this compiled: V8 compiles a function when it is first
 * called, and a cache that is made before has none of them. Run by scripts/build-sea.sh in the directory of the build.
 */

const { readFileSync, writeFileSync } = require('node:fs');
const { setFlagsFromString } = require('node:v8');
const { Script } = require('node:vm');

const [source, cache, config] = ['mcp-gateway.cjs', 'code-cache', 'gateway.config.json'];
// What has run once is kept, too. Taken back below, since a cache is good only with the options that it was made with.
setFlagsFromString('--no-flush-bytecode');
const text = readFileSync(source, 'latin1');
const program = new Script(text, { filename: source });

function keep() {
  setFlagsFromString('--flush-bytecode');
  const data = program.createCachedData();
  const { cachedDataRejected } = new Script(text, { filename: source, cachedData: data });
  if (cachedDataRejected !== false) throw new Error('V8 does not take its own code back');
  writeFileSync(cache, data);
  process.exit();
}

// It says that it is ready. What its start has set off is over by then, so that each build finds the same; requests would be
// answered in an order of their own each time, and the cache would have that order.
process.stdout.write = () => {
  setTimeout(keep, 1000);
  return true;
};
// What nearly every gateway has: a file, a directory for its state, a way to log in and a server.
const entrypoints = { http: { listen: '127.0.0.1:0' } };
const auth = { login: { password: {} } };
writeFileSync(
  config,
  JSON.stringify({ stateDir: 'state', entrypoints, auth, mcpServers: { one: { command: 'cat' } } }),
);
process.argv = [process.execPath, 'mcp-gateway', 'serve', '-c', config];
program.runInThisContext()(exports, require, module, __filename, __dirname);
