import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';
import { RtmpPublisher } from './rtmp-client.ts';
import { paced } from './synthetic-media.ts';

const DATA = 18;
const SET_DATA_FRAME = Buffer.concat([Buffer.from([2, 0, 13]), Buffer.from('@setDataFrame')]);

export interface OwnPublisherOptions {
  /** Times faster than real time. */
  readonly speed?: number;
  /** Added to every time, modulo 2³². */
  readonly fromMs?: number;
  readonly extTimestampOnType3?: boolean;
  readonly signal?: AbortSignal;
}

/** Publishes tags with our own client, then ends in words: for what no other program can be made to send. */
export async function publishTags(
  url: string,
  tags: readonly MediaMessage[],
  options: OwnPublisherOptions = {},
): Promise<void> {
  const { speed = 1, fromMs = 0, extTimestampOnType3 = true, signal } = options;
  await using publisher = await RtmpPublisher.connect(url, { extTimestampOnType3 });
  await publisher.publish();
  for await (const tag of paced(tags, { speed, ...(signal && { signal }) })) {
    const body = tag.type === DATA ? Buffer.concat([SET_DATA_FRAME, tag.body]) : tag.body;
    await publisher.send(tag.type, (tag.timestamp + fromMs) % 2 ** 32, body);
  }
  await publisher.stop();
}
