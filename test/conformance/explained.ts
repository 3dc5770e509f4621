/**
 * Scored scenarios that cannot pass between a client of one era and a server of the other, with the reason; docs/eras.md
 * says it at length. The key is the era of the server.
 */
export const explained: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  legacy: {
    'input-required-result-basic-elicitation':
      'A question of the sessions era has no name, so the gateway gives it one; the scenario wants "user_name".',
    'input-required-result-multiple-input-requests':
      'The server asks one after the other and waits each time; what it has not asked cannot travel with the first.',
  },
  modern: {},
};
