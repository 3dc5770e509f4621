/** The main of the executable: the program, the code that its first start compiled, and its libraries, all of them assets. */

const { isBuiltin } = require('node:module');
const { isIPv6 } = require('node:net');
const { getRawAsset } = require('node:sea');
const { setFlagsFromString } = require('node:v8');
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

// To listen on an address Node holds it against its pattern of IPv6, which V8 optimises for 4 ms before its first use. Here that is
// left out, for this one pattern: what is used again is compiled to machine code in any case.
setFlagsFromString('--no-regexp-optimization');
isIPv6('');
setFlagsFromString('--regexp-optimization');

run('mcp-gateway.cjs', module, new Uint8Array(getRawAsset('code-cache')));
