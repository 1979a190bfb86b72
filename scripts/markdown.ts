/** Says which file a person should edit instead. */
export function generatedNotice(source: string): string {
  return `<!-- Made from ${source} by \`npm run gen\`. Do not edit. -->\n`;
}

/** A table; cells are escaped. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
  return line(header) + line(header.map(() => '---')) + rows.map(line).join('');
}

/** The text as code, or nothing. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
