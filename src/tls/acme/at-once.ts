/** Tasks in the order they came, so many at once. */

export function atOnce(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  const queue: (() => Promise<void>)[] = [];
  let working = 0;
  const pull = async () => {
    if (working === limit) return;
    working += 1;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
    working -= 1;
  };
  return (task) =>
    new Promise((resolve, reject) => {
      queue.push(() => task().then(resolve, reject));
      void pull();
    });
}
