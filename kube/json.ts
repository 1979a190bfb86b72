export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether all of `part` is in `whole`: a server adds defaults to what it was given. Lists have the same length. */
export function isWithin(part: unknown, whole: unknown): boolean {
  if (Array.isArray(part)) {
    return (
      Array.isArray(whole) && part.length === whole.length && part.every((each, index) => isWithin(each, whole[index]))
    );
  }
  if (!isObject(part)) return part === whole;
  return (
    isObject(whole) &&
    Object.entries(part).every(([name, value]) => value === undefined || isWithin(value, whole[name]))
  );
}
