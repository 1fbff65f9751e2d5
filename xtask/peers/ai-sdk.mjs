// The Vercel AI SDK as a peer in benches: makes streamed requests and prints what they cost.
//
//     node ai-sdk.mjs BASE_URL --requests N --concurrency C [--wire chat|responses] [--warmup W]
//
// To be run from a directory whose node_modules has what ai-sdk.json lists. BASE_URL is an OpenAI-compatible endpoint
// with its /v1. W requests (usually 1) are made before the clock starts, so the server needs N + W answers. Prints one
// line of JSON:
//
//     {"peer", "version", "wire", "requests", "failed", "events", "characters",
//      "wall_s", "cpu_s", "idle_rss_bytes", "peak_rss_bytes"}
//
// `events` are the parts that the library handed over, `characters` the text in them; both, like the times, of the N
// requests alone. `cpu_s` is user and system time of this process. `idle_rss_bytes` is taken before the N requests.
// Exits with 1 when a request failed.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { createOpenAI } from '@ai-sdk/openai';
import { streamText } from 'ai';

// Models that it does not know make it print a notice for every request.
globalThis.AI_SDK_LOG_WARNINGS = false;

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        requests: { type: 'string' },
        concurrency: { type: 'string' },
        wire: { type: 'string', default: 'chat' },
        warmup: { type: 'string', default: '1' },
    },
});
const [requests, concurrency, warmup] =
    [values.requests, values.concurrency, values.warmup].map(Number);
if (positionals.length !== 1 || !(requests > 0) || !(concurrency > 0) || !(warmup >= 0)
    || !['chat', 'responses'].includes(values.wire)) {
    console.error('usage: ai-sdk.mjs BASE_URL --requests N --concurrency C [--wire chat|responses] [--warmup W]');
    process.exit(2);
}

const provider = createOpenAI({ baseURL: positionals[0], apiKey: 'none' });
const model = values.wire === 'chat' ? provider.chat('bench') : provider.responses('bench');

async function one() {
    const { fullStream } = streamText({ model, prompt: 'go', maxRetries: 0, onError: () => {} });
    let events = 0;
    let characters = 0;
    for await (const part of fullStream) {
        if (part.type === 'error') {
            throw part.error;
        }
        events += 1;
        if (part.type === 'text-delta') {
            characters += part.text.length;
        }
    }
    return { events, characters };
}

for (let warm = 0; warm < warmup; warm += 1) {
    await one();
}
const idle = process.memoryUsage().rss;
const total = { requests: 0, failed: 0, events: 0, characters: 0 };

async function worker() {
    while (total.requests < requests) {
        total.requests += 1;
        try {
            const { events, characters } = await one();
            total.events += events;
            total.characters += characters;
        } catch (error) {
            total.failed += 1;
            if (total.failed === 1) {
                console.error(String(error));
            }
        }
    }
}

const begun = performance.now();
const before = process.cpuUsage();
await Promise.all(Array.from({ length: concurrency }, worker));
const wall = performance.now() - begun;
const { user, system } = process.cpuUsage(before);
const manifest = new URL('./node_modules/ai/package.json', import.meta.url);
console.log(JSON.stringify({
    peer: 'ai-sdk',
    version: JSON.parse(readFileSync(manifest, 'utf8')).version,
    wire: values.wire,
    ...total,
    wall_s: wall / 1000,
    cpu_s: (user + system) / 1e6,
    idle_rss_bytes: idle,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
}));
process.exit(total.failed > 0 ? 1 : 0);
