/**
 * Scored scenarios that cannot pass between a client of one era and a server of the other, with the reason; docs/eras.md
 * says it at length. The key is the era of the server.
 */
export const explained: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  legacy: {},
  modern: {},
};
