import { expect, it } from 'vitest';
import { parseAmf0 } from '../protocol/rtmp/amf0.ts';
import { encodeMetadata } from './data-message.ts';
import { withoutKinds } from './honest-metadata.ts';

const ALL = encodeMetadata(
  new Map<string, unknown>([
    ['encoder', 'x'],
    ['width', 1280],
    ['videocodecid', 7],
    ['audiocodecid', 10],
    ['stereo', true],
  ]),
);

it.each([
  [{ video: true, audio: false }, ['encoder', 'audiocodecid', 'stereo']],
  [{ video: false, audio: true }, ['encoder', 'width', 'videocodecid']],
  [{ video: true, audio: true }, ['encoder']],
  [{ video: false, audio: false }, ['encoder', 'width', 'videocodecid', 'audiocodecid', 'stereo']],
])('leaves out what is said of missing tracks: %j', (missing, keys) => {
  const { values, body } = withoutKinds(ALL, missing);
  expect([...values.keys()]).toEqual(keys);
  const [name, read] = parseAmf0(body);
  expect([name, ...(read as Map<string, unknown>).keys()]).toEqual(['onMetaData', ...keys]);
});
