/** When a circuit breaker trips: Traefik's expressions, such as `NetworkErrorRatio() > 0.30 || ResponseCodeRatio(500, 600, 0, 600) > 0.25`. */

/** What was seen lately. */
export interface Observed {
  networkErrorRatio(): number;
  /** Answers with a status of `from` to below `to`, for each one of `dividedFrom` to below `dividedTo`. */
  responseCodeRatio(from: number, to: number, dividedFrom: number, dividedTo: number): number;
  /** `quantile` is of 100, the answer in milliseconds. */
  latencyAtQuantileMS(quantile: number): number;
}

export type Condition = (observed: Observed) => boolean;

const functions: Readonly<Record<string, readonly [arity: number, (o: Observed, args: readonly number[]) => number]>> =
  {
    NetworkErrorRatio: [0, (observed) => observed.networkErrorRatio()],
    ResponseCodeRatio: [4, (observed, [a = 0, b = 0, c = 0, d = 0]) => observed.responseCodeRatio(a, b, c, d)],
    LatencyAtQuantileMS: [1, (observed, [quantile = 0]) => observed.latencyAtQuantileMS(quantile)],
  };

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

/** Throws with the place that cannot be read. */
export function breakerExpression(text: string): Condition {
  const tokens = text.match(/[A-Za-z]+|\d+(?:\.\d+)?|&&|\|\||[<>=!]=|[<>!(),]|\S/g) ?? [];
  let at = 0;
  const fail = (): never => {
    throw new Error(
      `the expression ${text} cannot be read at ${tokens[at] ?? 'its end'}; write it like NetworkErrorRatio() > 0.30`,
    );
  };
  const take = (token: string) => {
    if (tokens[at] !== token) fail();
    at += 1;
  };
  const number = (): number => {
    const value = Number(tokens[at] ?? Number.NaN);
    if (Number.isNaN(value)) fail();
    at += 1;
    return value;
  };
  const either = (): Condition => {
    let left = both();
    while (tokens[at] === '||') {
      at += 1;
      const [a, b] = [left, both()];
      left = (observed) => a(observed) || b(observed);
    }
    return left;
  };
  const both = (): Condition => {
    let left = one();
    while (tokens[at] === '&&') {
      at += 1;
      const [a, b] = [left, one()];
      left = (observed) => a(observed) && b(observed);
    }
    return left;
  };
  const one = (): Condition => {
    if (tokens[at] === '!') {
      at += 1;
      const inner = one();
      return (observed) => !inner(observed);
    }
    if (tokens[at] === '(') {
      at += 1;
      const inner = either();
      take(')');
      return inner;
    }
    const name = tokens[at] ?? '';
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (known === undefined) return fail();
    const [arity, measure] = known;
    at += 1;
    take('(');
    const args = Array.from({ length: arity }, (_, index) => {
      if (index > 0) take(',');
      return number();
    });
    take(')');
    const compare = comparisons[tokens[at] ?? ''] ?? fail();
    at += 1;
    const bound = number();
    return (observed) => compare(measure(observed, args), bound);
  };
  const condition = either();
  if (at < tokens.length) fail();
  return condition;
}
