import { describe, expect, it } from 'vitest';
import type { Condition } from '../../crds/conditions.ts';
import { eventsBetween } from './status-events.ts';

/** `Live=True/Publishing`, several with blanks between. */
const status = (text: string) => ({
  conditions: text
    .split(' ')
    .filter(Boolean)
    .map((each): Condition => {
      const [, type, is, reason] = /^(\w+)=(\w+)\/(\w+)$/.exec(each)!;
      return { type, status: is, reason, message: 'why', lastTransitionTime: '', observedGeneration: 1 } as Condition;
    }),
});

describe('eventsBetween', () => {
  it.each([
    {
      name: 'a new stream that is well',
      before: '',
      after: 'Accepted=True/Accepted Live=False/NoPublisher Ready=True/Ready',
      want: [],
    },
    {
      name: 'one that is refused',
      before: '',
      after: 'Accepted=False/PolicyNotFound Ready=False/NotAccepted',
      want: ['Warning PolicyNotFound'],
    },
    { name: 'the same refusal again', before: 'Accepted=False/NameTaken', after: 'Accepted=False/NameTaken', want: [] },
    {
      name: 'another one',
      before: 'Accepted=False/NameTaken',
      after: 'Accepted=False/StoreMissing',
      want: ['Warning StoreMissing'],
    },
    {
      name: 'a bad Secret',
      before: 'CredentialsReady=True/FromSecret',
      after: 'CredentialsReady=False/SecretInvalid',
      want: ['Warning SecretInvalid'],
    },
    {
      name: 'a pod that refuses',
      before: 'Programmed=True/Programmed',
      after: 'Programmed=False/RejectedByPod',
      want: ['Warning RejectedByPod'],
    },
    {
      name: 'pods that are merely slow',
      before: 'Programmed=True/Programmed',
      after: 'Programmed=False/Pending',
      want: [],
    },
    {
      name: 'a publisher that comes',
      before: 'Live=False/NoPublisher',
      after: 'Live=True/Publishing',
      want: ['Normal PublisherConnected'],
    },
    {
      name: 'one that goes',
      before: 'Live=True/Publishing',
      after: 'Live=False/NoPublisher',
      want: ['Normal PublisherGone'],
    },
    {
      name: 'a store that is away',
      before: 'RecordingHealthy=True/Healthy',
      after: 'RecordingHealthy=False/StoreUnreachable',
      want: ['Warning StoreUnreachable'],
    },
    {
      name: 'and back',
      before: 'RecordingHealthy=False/StoreUnreachable',
      after: 'RecordingHealthy=True/Healthy',
      want: ['Normal RecordingRecovered'],
    },
  ])('$name: $want', ({ before, after, want }) => {
    const notes = eventsBetween(before === '' ? undefined : status(before), status(after));
    expect(notes.map(({ type, reason }) => `${type} ${reason}`)).toEqual(want);
  });
});
