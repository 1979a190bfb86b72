/** Files longer than this hold more than one concept. */
const MAX_LINES = 500;

/** Codes that Node itself gives errors; everything else that looks like a code is ours. */
const NODES_OWN =
  /^ERR_(?:HTTP_HEADERS_SENT|INVALID_[A-Z_]+|SERVER_NOT_RUNNING|SOCKET_[A-Z_]+|STREAM_(?:DESTROYED|PREMATURE_CLOSE|WRITE_AFTER_END)|USE_AFTER_CLOSE)$/;

/** Where codes are explained rather than used. */
const TABLES = ['ingest/runtime/fault-table.ts', 'ingest/protocol/protocol-error.ts'];

/** Files with too many lines. */
export function longFiles(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) => {
    const lines = text.split('\n').length - 1;
    return lines > MAX_LINES ? [`${file} has ${lines} lines; ${MAX_LINES} are the most: is it still one concept?`] : [];
  });
}

/** Error codes that are used and not explained, or explained and not used. `explained` holds both tables' codes. */
export function unexplainedCodes(sources: ReadonlyMap<string, string>, explained: Iterable<string>): string[] {
  const known = new Set(explained);
  const used = new Set<string>();
  const problems: string[] = [];
  for (const [file, text] of sources) {
    if (!/^((crds|ingest|kube|operator)\/|cli\.ts)/.test(file) || file.endsWith('.test.ts') || TABLES.includes(file))
      continue;
    for (const match of text.matchAll(/['"`](ERR_[A-Z0-9_]*[A-Z0-9])['"`]|^\s*(ERR_[A-Z0-9_]+):/gm)) {
      const code = match[1] ?? match[2]!;
      if (NODES_OWN.test(code)) continue;
      if (!known.has(code) && !used.has(code)) {
        problems.push(`${file} uses ${code}, which no table explains: add it to ${TABLES[0]}`);
      }
      used.add(code);
    }
  }
  for (const code of known) if (!used.has(code)) problems.push(`${code} is explained, but nothing uses it`);
  return problems;
}

/**
 * Tests that use `expect.poll` though they run side by side: vitest then does not know whose it is, and now and then says that it was
 * called outside a test.
 */
export function pollsSideBySide(sources: ReadonlyMap<string, string>): string[] {
  return [...sources]
    .filter(
      ([file, text]) =>
        file.endsWith('.test.ts') && /^\s*(?:describe|it)\.concurrent\b/m.test(text) && /\.poll\(/.test(text),
    )
    .map(([file]) => `${file} has concurrent tests, which cannot use expect.poll: use waitFor`);
}

/** Download addresses in the lock file would tie every clone to one registry. */
export function lockFileAddresses(lockFile: string): string[] {
  const count = lockFile.match(/"resolved": "https?:/g)?.length ?? 0;
  return count === 0
    ? []
    : [`package-lock.json has ${count} download addresses: write it anew with omit-lockfile-registry-resolved=true`];
}

/** Modules that dependency-cruiser says it has seen, out of its summary. 0 where there is none. */
export function modulesCruised(output: string): number {
  return Number(/(\d+) modules?, \d+ dependenc/.exec(output)?.[1] ?? 0);
}
