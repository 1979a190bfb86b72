/** Whether `text` is what `pattern` says, in which each `*` stands for any characters but a slash. Takes linear time in practice: no backtracking over `*`. */
export function matchesGlob(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return text === pattern;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  const last = rest.pop() ?? '';
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || text.slice(at, found).includes('/')) return false;
    at = found + part.length;
  }
  const end = text.length - last.length;
  return end >= at && text.endsWith(last) && !text.slice(at, end).includes('/');
}
