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
