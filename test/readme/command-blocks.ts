/** A fenced block of a Markdown file that holds commands. */
export interface CommandBlock {
  /** Line of the opening fence, from 1. */
  readonly line: number;
  readonly text: string;
  /** Its info string has a word beside `sh` that says that it is not run here. */
  readonly isRun: boolean;
}

/** The blocks whose info string begins with `sh`. */
export function commandBlocks(markdown: string): CommandBlock[] {
  const blocks: CommandBlock[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const info = /^```(.*)$/.exec(lines[i]!)?.[1];
    if (info === undefined) continue;
    const end = lines.indexOf('```', i + 1);
    if (/^sh\b/.test(info)) {
      blocks.push({ line: i + 1, text: lines.slice(i + 1, end).join('\n'), isRun: info.trim() === 'sh' });
    }
    i = end;
  }
  return blocks;
}

/** A section of second level with its heading. @throws Error where there is none of this name */
export function section(markdown: string, heading: string): string {
  const from = markdown.indexOf(`\n## ${heading}\n`);
  if (from < 0) throw new Error(`there is no section ${heading}`);
  const to = markdown.indexOf('\n## ', from + 1);
  return markdown.slice(from, to < 0 ? undefined : to);
}
