/** Columns of text on standard output, as wide as what stands in them, or as the terminal where that is narrower. */

const gap = 2;
const narrowest = 6;
/** What a sentence has at least, whatever stands before it. */
const narrowestSentence = 30;

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of table(head, rows, process.stdout.columns)) process.stdout.write(`${line}\n`);
}

/** As `printTable`, but the last column is told whole, on as many lines as it needs. */
export function printSentences(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  const start = table(
    head.slice(0, -1),
    rows.map((row) => row.slice(0, -1)),
    columns - gap - narrowestSentence,
  );
  const indent = Math.max(...start.map((line) => line.length)) + gap;
  const room = Math.max(narrowestSentence, columns - indent);
  for (const [index, row] of [head, ...rows].entries()) {
    const lines = folded(row.at(-1) ?? '', room).map(
      (text, line) => (line === 0 ? (start[index] ?? '') : '').padEnd(indent) + text,
    );
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}

/** Lines of at most so many characters, broken at spaces, and within a word that is longer than a line. */
function folded(text: string, room: number): string[] {
  const lines = [''];
  const words = text.split(' ').flatMap((word) => (word.length > room ? pieces(word, room) : [word]));
  for (const word of words) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function pieces(word: string, length: number): string[] {
  return Array.from({ length: Math.ceil(word.length / length) }, (_, at) => word.slice(at * length, (at + 1) * length));
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
