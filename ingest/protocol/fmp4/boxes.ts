import { ByteWriter } from '../../bytes/byte-writer.ts';

/** Writes one box (ISO 14496-12 §4.2) around what `body` writes; its size is filled in afterwards. */
export function writeBox(writer: ByteWriter, type: string, body: (writer: ByteWriter) => void): void {
  const at = writer.length;
  writer.u32(0).latin1(type);
  body(writer);
  writer.patchU32(at, writer.length - at);
}

/** Writes one box with the version and flags of a FullBox. */
export function writeFullBox(
  writer: ByteWriter,
  type: string,
  version: number,
  flags: number,
  body: (writer: ByteWriter) => void,
): void {
  writeBox(writer, type, (box) => {
    box.u8(version).u24(flags);
    body(box);
  });
}

/** A whole box of its own. */
export function encodeBox(type: string, body: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(64);
  writeBox(writer, type, body);
  return writer.finish();
}
