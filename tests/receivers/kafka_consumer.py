"""Reads messages of a topic from its beginning and prints each as a line of JSON: kafka_consumer.py BROKERS TOPIC WANTED SECONDS."""

import base64
import json
import sys
import time

from confluent_kafka import Consumer


def main():
    brokers, topic, wanted, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"reader-of-{topic}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    deadline, seen = time.monotonic() + seconds, set()
    while len(seen) < wanted and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        seen.add((message.key(), message.value()))
        line = {
            "key": message.key().decode(),
            "partition": message.partition(),
            "offset": message.offset(),
            "value": base64.b64encode(message.value()).decode(),
        }
        print(json.dumps(line), flush=True)
    consumer.close()


main()
