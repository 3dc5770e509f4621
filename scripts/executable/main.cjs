/** The main of the executable: the program and the code that its first start compiled, both as assets. */

const { getRawAsset } = require('node:sea');
const { Script } = require('node:vm');

const source = Buffer.from(getRawAsset('mcp-gateway.cjs')).latin1Slice();
const cachedData = new Uint8Array(getRawAsset('code-cache'));
const program = new Script(source, { filename: 'mcp-gateway.cjs', cachedData });
program.runInThisContext()(exports, require, module, __filename, __dirname);
