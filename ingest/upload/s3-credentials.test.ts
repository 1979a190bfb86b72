import { describe, expect, it } from 'vitest';
import { parseCredentials } from './s3-credentials.ts';

describe('a credentials file', () => {
  it.each([
    [
      'AWS’s own',
      '# mine\n[default]\naws_access_key_id = AK\naws_secret_access_key=s/e+c=\n\n[other]\naws_access_key_id = no\n',
    ],
    ['the names of the settings', 'accessKeyId: AK\r\nsecretAccessKey: "s/e+c="\r\n'],
    ['lower case', "access_key_id=AK\nsecret_access_key='s/e+c='"],
  ])('in the form of %s', (_, text) => {
    expect(parseCredentials(text)).toEqual({ accessKeyId: 'AK', secretAccessKey: 's/e+c=' });
  });

  it('may have a session token', () => {
    const text = 'accessKeyId: AK\nsecretAccessKey: S\nsessionToken: T';
    expect(parseCredentials(text)).toEqual({ accessKeyId: 'AK', secretAccessKey: 'S', sessionToken: 'T' });
  });

  it.each(['', 'accessKeyId: AK', '[a]\naccessKeyId: AK\n[b]\nsecretAccessKey: S', 'AK:SECRET'])(
    'refuses %j without quoting it',
    (text) => {
      expect(() => parseCredentials(text)).toThrow(expect.objectContaining({ code: 'ERR_STORE_ACCESS' }));
      expect(() => parseCredentials(text)).not.toThrow(/SECRET|AK/);
    },
  );
});
