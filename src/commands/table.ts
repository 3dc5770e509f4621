/** Columns of text on standard output, as wide as what stands in them, or as the terminal where that is narrower. */

const gap = 2;
const narrowest = 6;

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of table(head, rows, process.stdout.columns)) process.stdout.write(`${line}\n`);
}

/** `room` in columns; without it nothing is cut. The widest cells lose first. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  room: number = Number.POSITIVE_INFINITY,
): string[] {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const free = Math.max(room, head.length * (narrowest + gap)) - gap * (head.length - 1);
  for (let over = sum(widths) - free; over > 0; over = sum(widths) - free) {
    const widest = Math.max(...widths);
    const next = Math.max(narrowest, ...widths.filter((width) => width < widest));
    const column = widths.indexOf(widest);
    widths[column] = Math.max(next, widest - over, narrowest);
    if (widths[column] === widest) widths[column] = widest - 1;
  }
  return lines.map((line) =>
    line
      .map((cell, column) => fit(cell, widths[column] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd(),
  );
}

function fit(cell: string, width: number): string {
  return cell.length > width ? `${cell.slice(0, width - 1)}…` : cell.padEnd(width);
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
