import { describe, expect, it } from 'vitest';
import { BAD_POLICIES, BAD_RECORDINGS } from '../test/kube-api/bad-recordings.ts';
import { BAD_STREAMS } from '../test/kube-api/bad-streams.ts';
import { LIVE_STREAM } from './live-stream.ts';
import { RECORDING_POLICY } from './recording-policy.ts';

/** `spec.ingest.idleTimeout` of what the API server calls so, and `''` of the root, which it calls `<nil>`. */
const RULE_BROKEN = /^(<nil>|[\w.]+): Invalid value: (?:".*": )?(?!.* in body )(.*)$/;

const objects = [...BAD_STREAMS, ...BAD_RECORDINGS, ...BAD_POLICIES];

/** A file for `--streams DIR` meets no API server: the same rules, in TypeScript, refuse it with the same sentences. */
describe('files', () => {
  it.each(objects)('are refused for $name', ({ object, refused }) => {
    const schema = object.kind === 'LiveStream' ? LIVE_STREAM : RECORDING_POLICY;
    const got = (schema.safeParse(object).error?.issues ?? []).map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    );
    const sentences = refused.flatMap((line) => {
      const [, field = '', sentence = ''] = RULE_BROKEN.exec(line) ?? [];
      return sentence === '' || sentence.startsWith('a lowercase RFC 1123')
        ? []
        : [`${field === '<nil>' ? '' : field}: ${sentence}`];
    });
    expect(got.length).toBeGreaterThan(0);
    for (const sentence of sentences) expect(got).toContain(sentence);
  });

  it('meet most rules here', () => {
    expect(objects.filter(({ refused }) => refused.some((line) => RULE_BROKEN.test(line))).length).toBeGreaterThan(45);
  });
});
