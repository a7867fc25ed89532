"""websockets follows the feed from its first message on, takes a snapshot and the top of the books, and trades on /ouch.

usage: feed.py FEED_PORT
"""

import asyncio
import struct
import sys

from websockets.asyncio.client import connect


def blocks(packet):
    """Session, number of the first message, messages of a MoldUDP64 packet."""
    session, sequence, count = struct.unpack(">10sQH", packet[:20])
    at, found = 20, []
    for _ in range(0 if count == 0xFFFF else count):
        (length,) = struct.unpack(">H", packet[at : at + 2])
        found.append(packet[at + 2 : at + 2 + length])
        at += 2 + length
    assert at == len(packet), packet
    return session, sequence, found


async def main(port):
    url = f"ws://127.0.0.1:{port}"
    async with connect(f"{url}/ouch") as orders:
        login = b"DEMO02" + b"demo-pass " + b" " * 10 + b"1".rjust(20)
        await orders.send(struct.pack(">Hc", 47, b"L") + login)
        answer = await orders.recv()
        assert answer[2:3] == b"A" and len(answer) == 33, answer
        head = struct.pack(">cIcI8sQ", b"O", 1, b"B", 70, b"AAPL    ", 1_500_000)
        order = head + b"0YPNN" + b"websockets    " + b"\0\0"
        await orders.send(struct.pack(">Hc", 1 + len(order), b"U") + order)
        kinds = ""
        while "A" not in kinds:
            packet = await orders.recv()
            assert struct.unpack(">H", packet[:2])[0] + 2 == len(packet), packet
            kinds += packet[3:4].decode() if packet[2:3] == b"S" else ""

    async with connect(f"{url}/itch?from=1") as feed:
        next_number, adds = 1, 0
        while adds < 2:
            _, sequence, found = blocks(await feed.recv())
            assert sequence == next_number, (sequence, next_number)
            next_number += len(found)
            adds += sum(message[:1] == b"A" for message in found)

    async with connect(f"{url}/glimpse") as snapshot:
        found = []
        async for packet in snapshot:
            found += blocks(packet)[2]
        assert found[-1][:1] == b"G" and any(message[:1] == b"A" for message in found), found
    assert snapshot.close_code == 1000, snapshot.close_code

    async with connect(f"{url}/bbo") as top:
        frame = await top.recv()
        version, count = struct.unpack(">HH", frame[:4])
        assert version == 1 and len(frame) == 32 + 64 * count and count == 7, frame
        bids = {struct.unpack(">H", frame[at : at + 2])[0]: struct.unpack(">I", frame[at + 24 : at + 28])[0] for at in range(32, len(frame), 64)}
        assert bids[1] == 1_500_000, bids
    print(f"websockets: {next_number - 1} messages in order, snapshot, top of book and /ouch are well")


asyncio.run(main(int(sys.argv[1])))
