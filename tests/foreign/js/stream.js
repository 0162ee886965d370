// Reading and writing one js-libp2p stream: a line, everything after it, and writing no faster than the other side reads.
import { byteStream } from '@libp2p/utils'

const LONGEST_LINE = 65536
const PIECE = 65536
const TIMEOUT_MS = 20000

// Reads a stream from its first byte on; make one as soon as the stream is there, so that it misses nothing.
export class Reader {
  constructor (stream) {
    this.bytes = byteStream(stream)
    this.waiting = Buffer.alloc(0)
  }

  // The next line, without its end.
  async line () {
    for (;;) {
      const end = this.waiting.indexOf(10)
      if (end >= 0) {
        const line = this.waiting.subarray(0, end).toString()
        this.waiting = this.waiting.subarray(end + 1)
        return line
      }
      if (this.waiting.length > LONGEST_LINE) throw new Error('the line does not end')
      if (!await this.more()) throw new Error('the stream ended before a line did')
    }
  }

  // Everything until the other side ends.
  async rest () {
    while (await this.more()) ;
    return this.waiting
  }

  async more () {
    const piece = await this.bytes.read({ signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (piece != null) this.waiting = Buffer.concat([this.waiting, piece.subarray()])
    return piece != null
  }
}

// Write these, waiting whenever the stream is full.
export async function write (stream, ...bodies) {
  for (const body of bodies.map((body) => Buffer.from(body))) {
    for (let at = 0; at < body.length; at += PIECE) {
      if (!stream.send(body.subarray(at, at + PIECE))) await stream.onDrain({ signal: AbortSignal.timeout(TIMEOUT_MS) })
    }
  }
}
