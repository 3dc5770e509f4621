/** The main of the executable: the program, the code that its first start compiled, and its libraries, all of them assets. */

const { isBuiltin } = require('node:module');
const { getRawAsset } = require('node:sea');
const { Script } = require('node:vm');

const libraries = new Map();

function load(name) {
  if (isBuiltin(name)) return require(name);
  const library = libraries.get(name) ?? { exports: {} };
  if (!libraries.has(name)) run(name, library);
  libraries.set(name, library);
  return library.exports;
}

function run(name, module, cachedData) {
  const source = Buffer.from(getRawAsset(name)).latin1Slice();
  const program = new Script(source, { filename: name, cachedData });
  program.runInThisContext()(module.exports, load, module, __filename, __dirname);
}

run('mcp-gateway.cjs', module, new Uint8Array(getRawAsset('code-cache')));
