// ws follows the feed from its first message on, asks again for one, and logs in on /ouch.
//
// usage: node feed.js FEED_PORT
'use strict';

const assert = require('node:assert');
const WebSocket = require('ws');

const url = `ws://127.0.0.1:${process.argv[2]}`;

function header(packet) {
  return { session: packet.subarray(0, 10), sequence: packet.readBigUInt64BE(10), count: packet.readUInt16BE(18) };
}

function follow() {
  return new Promise((resolve, reject) => {
    const feed = new WebSocket(`${url}/itch?from=1`);
    let next = 1n;
    let adds = 0;
    let asked = false;
    feed.on('error', reject);
    feed.on('message', (packet, isBinary) => {
      assert(isBinary);
      const { session, sequence, count } = header(packet);
      if (asked && sequence === 2n) {
        assert.strictEqual(count, 1, 'one message was asked for again');
        feed.close();
        resolve(next - 1n);
        return;
      }
      assert.strictEqual(sequence, next);
      let at = 20;
      for (let block = 0; block < count; block += 1) {
        const length = packet.readUInt16BE(at);
        adds += packet[at + 2] === 0x41 ? 1 : 0;
        at += 2 + length;
      }
      assert.strictEqual(at, packet.length);
      next += BigInt(count);
      if (adds >= 2 && !asked) {
        asked = true;
        const request = Buffer.alloc(20);
        session.copy(request);
        request.writeBigUInt64BE(2n, 10);
        request.writeUInt16BE(1, 18);
        feed.send(request);
      }
    });
  });
}

function login() {
  return new Promise((resolve, reject) => {
    const orders = new WebSocket(`${url}/ouch`);
    orders.on('error', reject);
    orders.on('open', () => {
      const text = `L${'DEMO01'}${'demo-pass '}${' '.repeat(10)}${'1'.padStart(20)}`;
      orders.send(Buffer.concat([Buffer.from([0, 47]), Buffer.from(text)]));
    });
    orders.once('message', (packet) => {
      assert.strictEqual(String.fromCharCode(packet[2]), 'A');
      orders.close();
      resolve();
    });
  });
}

follow()
  .then((messages) => login().then(() => console.log(`ws: ${messages} messages in order, a re-request and /ouch are well`)))
  .then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
