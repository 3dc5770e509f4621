/** The error of a rule that cannot be read. */

/** `position` counts UTF-16 units from 0. */
export class RuleError extends Error {
  readonly position: number;
  readonly hint: string;
  constructor(rule: string, position: number, message: string, hint: string) {
    super(`${message} at position ${position + 1} of the rule ${rule}; ${hint}`);
    this.name = 'RuleError';
    this.position = position;
    this.hint = hint;
  }
}
