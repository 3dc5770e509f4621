/** Kept equal to package.json by test/cli.test.ts: the bundled executable has no package.json beside it. */
export const version = '0.1.0';
