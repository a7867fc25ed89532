"""nasdaq-protocols logs in to the order port and to the drop copy, trades, and follows the streams.

usage: orders.py ORDER_PORT DROP_COPY_PORT
"""

import asyncio
import struct
import sys

from nasdaq_protocols import soup


def enter(number, side, quantity, price):
    head = struct.pack(">cIcI8sQ", b"O", number, side, quantity, b"MSFT    ", price)
    return head + b"0" + b"Y" + b"P" + b"N" + b"N" + b"foreign-client"[:14] + b"\0\0"


async def connect(port, user, sequence=1, session="", password="demo-pass"):
    return await soup.connect_async(("127.0.0.1", port), user, password, session, sequence)


async def messages(session, count):
    found = []
    while len(found) < count:
        message = await asyncio.wait_for(session.receive_msg(), 20)
        if isinstance(message, soup.SequencedData):
            found.append(bytes(message.data))
    return found


def kinds(stream):
    return "".join(chr(message[0]) for message in stream)


async def main(order_port, drop_port):
    maker = await connect(order_port, "DEMO03")
    taker = await connect(order_port, "DEMO04")
    maker.send_unseq_data(enter(1, b"S", 100, 4_000_000))
    first = await messages(maker, 2)
    assert kinds(first) == "SA", first
    taker.send_unseq_data(enter(1, b"B", 40, 4_000_000))
    second = await messages(taker, 3)
    assert kinds(second) == "SAE", second
    first += await messages(maker, 1)
    assert kinds(first) == "SAE", first
    assert struct.unpack(">I", first[2][13:17])[0] == 40, first[2]

    # Comes back in the middle of the stream: the same bytes.
    await maker.close()
    again = await connect(order_port, "DEMO03", 2)
    assert await messages(again, 2) == first[1:]
    await again.close()

    copy = await connect(drop_port, "DEMO03")
    copied = await messages(copy, 5)
    assert sorted(kinds(copied)) == sorted("SAAEE"), copied
    await copy.close()
    await taker.close()

    try:
        await connect(order_port, "DEMO01", password="wrong")
    except Exception as rejected:
        print(f"nasdaq-protocols: wrong password: {type(rejected).__name__}")
    else:
        raise AssertionError("a wrong password was accepted")
    print("nasdaq-protocols: order port and drop copy are well")


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
