import { z } from 'zod';
import { DURATION_PATTERN, durationMs, formatDuration } from './duration.ts';

/**
 * A rule that a value must keep, said twice: in CEL for the API server, in TypeScript for `--streams DIR`.
 * A test holds both to the same verdict and the same sentence.
 */
export interface Rule<T> {
  readonly cel: string;
  readonly holds: (value: T) => boolean;
  /** Ends a sentence that starts with the field: says what to write instead. */
  readonly message: string;
  /** Where the sentence names the value: the same in CEL and in TypeScript. `message` is what CEL says if that fails. */
  readonly messageOf?: { readonly cel: string; readonly say: (value: T) => string };
}

/** A rule about a change of an existing object; a file on a disk has no former value, so only the API server applies it. */
export interface TransitionRule {
  readonly cel: string;
  readonly message: string;
}

type Validation = { readonly rule: string; readonly message: string; readonly messageExpression?: string };

/** `schema` with a description, its rules, and further keys of its OpenAPI schema. */
export function field<S extends z.ZodType>(
  schema: S,
  description: string,
  rules: readonly Rule<z.output<S>>[] = [],
  openApi: Readonly<Record<string, unknown>> = {},
  transitions: readonly TransitionRule[] = [],
): S {
  let ruled: S = schema;
  for (const { holds, message, messageOf } of rules) {
    ruled = ruled.refine((value) => holds(value as z.output<S>), {
      error: ({ input }) => messageOf?.say(input as z.output<S>) ?? message,
    }) as S;
  }
  const validations: Validation[] = [
    ...rules.map(({ cel, message, messageOf }) => ({
      rule: cel,
      message,
      ...(messageOf && { messageExpression: messageOf.cel }),
    })),
    ...transitions.map(({ cel, message }) => ({ rule: cel, message })),
  ];
  return ruled.meta({
    description,
    ...(validations.length > 0 && { 'x-kubernetes-validations': validations }),
    ...openApi,
  }) as S;
}

/** Text of at most `max` characters. */
export const text = (max: number, description: string, rules: readonly Rule<string>[] = []): z.ZodString =>
  field(z.string().max(max), description, rules);

export const flag = (description: string): z.ZodBoolean => field(z.boolean(), description);

export const integer = (low: number, high: number, description: string): z.ZodInt =>
  field(z.int().min(low).max(high), description);

export const choice = <const C extends readonly [string, ...string[]]>(
  choices: C,
  description: string,
): z.ZodEnum<{ [K in C[number]]: K }> => field(z.enum(choices), description);

/** A list without duplicates, in which order says nothing. */
export const choices = <const C extends readonly [string, ...string[]]>(
  of: C,
  description: string,
): z.ZodArray<z.ZodEnum<{ [K in C[number]]: K }>> =>
  // The API server refuses duplicates in a set by itself; a file has nobody who would.
  field(
    z
      .array(z.enum(of))
      .min(1)
      .max(of.length)
      .refine((list) => new Set(list).size === list.length, 'names something twice'),
    description,
    [],
    { 'x-kubernetes-list-type': 'set' },
  );

/** A duration such as `10s` between two bounds in milliseconds. */
export function duration(lowMs: number, highMs: number, description: string): z.ZodString {
  const [low, high] = [formatDuration(lowMs), formatDuration(highMs)];
  const isNumber = (value: string): boolean => /^[0-9]+$/.test(value);
  return field(z.string().max(16), description, [
    {
      cel: "!self.matches('^[0-9]+$')",
      holds: (value) => !isNumber(value),
      message: 'has no unit: write for example 10s',
      messageOf: {
        cel: `"has no unit: write " + self + "s or " + self + "ms"`,
        say: (value) => `has no unit: write ${value}s or ${value}ms`,
      },
    },
    {
      cel: `self.matches('^[0-9]+$') || self.matches('${DURATION_PATTERN}')`,
      holds: (value) => isNumber(value) || durationMs(value) !== undefined,
      message: 'is no duration: write whole numbers with the units h, m, s or ms, for example 10s, 500ms or 1h30m',
    },
    {
      cel: `!self.matches('${DURATION_PATTERN}') || (duration(self) >= duration('${low}') && duration(self) <= duration('${high}'))`,
      holds: (value) => {
        const ms = durationMs(value);
        return ms === undefined || (ms >= lowMs && ms <= highMs);
      },
      message: `must lie between ${low} and ${high}`,
    },
  ]);
}

/** The name of another object in the same namespace. */
export const objectReference = (description: string): z.ZodObject<{ name: z.ZodString }, z.core.$strict> =>
  field(
    z.strictObject({
      name: field(z.string().max(253), 'Its name, in the namespace of this object.', [
        {
          cel: "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
          holds: (value) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value),
          message: 'is no name of an object: write only the name, in lower case, without a namespace',
        },
      ]),
    }),
    description,
  );
