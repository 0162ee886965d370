// A peer on js-libp2p that goop must get along with. Same behaviour, events and commands as its Go sister (../go), so that one
// test driver serves both: JSON lines on stdout for everything that happens, JSON lines on stdin for what it shall do.
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

import { Reader, write } from './stream.js'

const TOPIC = 'goop.presence.v1'
const CONTENT = '/goop/content/1.0.0'
const SITE = '/goop/site/1.0.0'
const AVATAR = '/goop/avatar/1.0.0'
const CHAT = '/goop/chat/1.0.0'
const MQ = '/goop/mq/1.0.0'
const HEARTBEAT_MS = 5000
const STREAM_TIMEOUT_MS = 20000
const MIME = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.txt': 'text/plain; charset=utf-8' }

const { values: told } = parseArgs({
  options: {
    listen: { type: 'string', default: '/ip4/0.0.0.0/tcp/0' },
    mdns: { type: 'string', default: 'goop-mdns' },
    label: { type: 'string', default: 'foreign' },
    site: { type: 'string', default: '' },
    avatar: { type: 'string', default: '' },
    generation: { type: 'string', default: 'new' }
  }
})

const sha256 = (body) => createHash('sha256').update(body).digest('hex')
const emit = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')
const within = (ms = STREAM_TIMEOUT_MS) => AbortSignal.timeout(ms)

const node = await createLibp2p({
  addresses: { listen: [told.listen] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // js-libp2p compares the name of a question with this tag letter by letter, and names on the wire have no dot at their end.
  peerDiscovery: told.mdns === '' ? [] : [mdns({ serviceTag: `${told.mdns}.local`, interval: 2000 })],
  services: {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    pubsub: gossipsub({ allowPublishToZeroTopicPeers: true })
  }
})
const me = node.peerId.toString()

node.addEventListener('peer:discovery', async ({ detail }) => {
  emit('found', { peer: detail.id.toString(), addrs: detail.multiaddrs.map(String) })
  await node.dial(detail.id, { signal: within(3000) }).catch(() => {})
})
node.addEventListener('connection:open', ({ detail }) => emit('connected', { peer: detail.remotePeer.toString(), addr: String(detail.remoteAddr) }))
node.addEventListener('connection:close', ({ detail }) => emit('disconnected', { peer: detail.remotePeer.toString() }))
node.services.pubsub.addEventListener('message', ({ detail }) => {
  if (detail.topic !== TOPIC) return
  let payload = null
  try { payload = JSON.parse(new TextDecoder().decode(detail.data)) } catch {}
  emit('presence', { from: detail.from?.toString() ?? '', bytes: detail.data.length, payload })
})

// -- what this peer answers

const answering = (protocol, answer, options = {}) => node.handle(protocol, async (stream, connection) => {
  try {
    await answer(stream, new Reader(stream), connection)
    await stream.close({ signal: within() })
  } catch (error) {
    stream.abort(error)
    emit('served-badly', { protocol, peer: connection.remotePeer.toString(), error: String(error) })
  }
}, { maxInboundStreams: 512, maxOutboundStreams: 512, ...options })

await answering(CONTENT, (stream) => write(stream, `${told.label}\n`))

await answering(SITE, async (stream, reader) => {
  const line = await reader.line()
  if (!line.startsWith('GET ')) return write(stream, 'ERR bad request\n')
  const name = normalize('/' + line.slice(4).trim())
  const file = join(told.site, name === '/' ? 'index.html' : name)
  if (told.site === '' || !existsSync(file)) return write(stream, 'ERR not found\n')
  const body = readFileSync(file)
  await write(stream, `OK ${MIME[extname(file)] ?? 'application/octet-stream'} ${body.length}\n`, body)
})

await answering(AVATAR, async (stream) => {
  if (told.avatar === '') return write(stream, 'NONE\n')
  const picture = readFileSync(told.avatar)
  await write(stream, `OK ${picture.length}\n`, picture)
})

if (told.generation === 'seed') {
  await answering(CHAT, async (stream, reader, connection) => {
    const { from, to, type, content } = JSON.parse((await reader.rest()).toString())
    if (from !== connection.remotePeer.toString()) throw new Error(`from is ${from}`)
    emit('chat', { dialect: 'chat', from, to, type, content })
  })
} else {
  await answering(MQ, async (stream, reader, connection) => {
    const { id, seq, topic, payload } = JSON.parse(await reader.line())
    if (!(id?.length >= 8)) throw new Error('an id this short would end a goop2 process')
    await write(stream, JSON.stringify({ type: 'ack', id, seq }) + '\n')
    emit('chat', { dialect: 'mq', from: connection.remotePeer.toString(), topic, content: payload?.content })
  })
}

// -- what it asks of others

async function opened (peer, protocol) {
  const stream = await node.dialProtocol(peerIdFromString(peer), protocol, { signal: within(), maxOutboundStreams: 512 })
  return { stream, reader: new Reader(stream) }
}

async function fetchFile (peer, path) {
  try {
    const { stream, reader } = await opened(peer, SITE)
    await write(stream, `GET ${path}\n`)
    const head = await reader.line()
    if (!head.startsWith('OK ')) throw new Error(head)
    const at = head.lastIndexOf(' ') // a media type may hold a space
    const [mime, size] = [head.slice(3, at), Number(head.slice(at + 1))]
    const body = await reader.rest()
    await stream.close({ signal: within() })
    if (body.length !== size) throw new Error(`${body.length} of ${size} bytes`)
    return { path, mime, size, sha256: sha256(body) }
  } catch (error) {
    return { path, size: 0, error: String(error.message ?? error) }
  }
}

async function fetchAll ({ peer, paths, parallel = 1 }) {
  const files = new Array(paths.length)
  let next = 0
  const worker = async () => { while (next < paths.length) { const i = next++; files[i] = await fetchFile(peer, paths[i]) } }
  await Promise.all(Array.from({ length: parallel }, worker))
  return { files }
}

async function avatarOf (peer) {
  const { stream, reader } = await opened(peer, AVATAR)
  const head = await reader.line()
  const body = await reader.rest()
  await stream.close({ signal: within() })
  if (!head.startsWith('OK ')) return { size: 0 }
  return { size: body.length, sha256: sha256(body) }
}

async function chat ({ peer, content, all: everyone, from = me }) {
  const { stream } = await opened(peer, CHAT)
  const [to, type] = everyone ? ['', 'broadcast'] : [peer, 'direct']
  const message = { id: new Date().toISOString(), from, to, type, content, timestamp: Date.now(), site_id: '' }
  await write(stream, JSON.stringify(message) + '\n')
  await stream.close({ signal: within() })
}

async function mq ({ peer, content, all: everyone }) {
  const { stream, reader } = await opened(peer, MQ)
  const id = randomUUID()
  await write(stream, JSON.stringify({ type: 'msg', id, seq: 1, topic: everyone ? 'chat.broadcast' : 'chat', payload: { content } }) + '\n')
  const ack = JSON.parse(await reader.line())
  await stream.close({ signal: within() })
  if (ack.type !== 'ack' || ack.id !== id) throw new Error(`ack was ${JSON.stringify(ack)}`)
}

const publish = (type, about) => {
  const said = { type, peerId: about, ts: Date.now(), ...(type === 'offline' ? {} : { content: told.label }) }
  return node.services.pubsub.publish(TOPIC, Buffer.from(JSON.stringify(said)))
}

const commands = {
  dial: ({ addr }) => node.dial(multiaddr(addr), { signal: within(3000) }).then(() => ({})),
  content: async ({ peer }) => {
    const { stream, reader } = await opened(peer, CONTENT)
    const content = await reader.line()
    await stream.close({ signal: within() })
    return { content }
  },
  avatar: ({ peer }) => avatarOf(peer),
  fetch: fetchAll,
  chat,
  mq,
  publish: ({ content, peer }) => publish(content, peer).then(() => ({}))
}

async function obey (line) {
  let command = {}
  try {
    command = JSON.parse(line)
    if (command.cmd === 'quit') return await leave()
    if (!(command.cmd in commands)) throw new Error(`no such command: ${command.cmd}`)
    emit('done', { id: command.id, cmd: command.cmd, ...(await commands[command.cmd](command)) })
  } catch (error) {
    emit('failed', { id: command.id, cmd: command.cmd, error: String(error.message ?? error) })
  }
}

async function leave () {
  await Promise.race([node.stop(), new Promise((resolve) => setTimeout(resolve, 2000))])
  process.exit(0)
}

process.on('SIGTERM', leave)
process.on('SIGINT', leave)
node.services.pubsub.subscribe(TOPIC)
emit('listening', { peer: me, addrs: node.getMultiaddrs().map(String) })
await publish('online', me)
setInterval(() => publish('update', me).catch(() => {}), HEARTBEAT_MS)
createInterface({ input: process.stdin }).on('line', obey).on('close', leave)
